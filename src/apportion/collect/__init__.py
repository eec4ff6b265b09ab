"""Collect: sources as bytes, each object with its hash. Knows nothing of money, columns or tables."""
