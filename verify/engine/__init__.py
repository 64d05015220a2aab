"""A plan in, events out: pytest collects one node per boot cell and one item per expectation, and runs them.

Knows nothing of reports: what happens is told to the events file, which the report is made from.
"""
