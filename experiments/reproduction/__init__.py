"""The paper's tables: what is trained for them, and what it came to.

tables    rows: configs and published figures
ledger    finished seeds on disk
training  the seeds that a ledger lacks
verdicts  statistics
reports   what finished seeds came to, as numbers
formats   a report as text
"""

__all__ = ['formats', 'ledger', 'reports', 'tables', 'training', 'verdicts']
