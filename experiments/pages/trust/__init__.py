"""Whether attention can be trusted: what edges are worth, and to which seed."""

from experiments.pages.trust.drawn import section as section
