"""Report: what the tables say, as statements, coverage, unit costs, reconciliation and explanations.

The stage only reads. Every answer is a `Table`, and a table is printed, exported and served as it is seen.
"""
