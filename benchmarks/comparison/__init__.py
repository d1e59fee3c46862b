"""Ours and others in turn: what `python -m benchmarks.run` is made of.

`cases` says what is measured, `environments` builds those of the peers,
`exporting` writes the graphs that they read, `processes` runs one program,
`turns` all of them (`taken` is what
they leave); `ours` and `bounds` are programs of ours, run by
themselves. `summaries` makes rows of turns, `tables` and `charts` show rows.
"""
