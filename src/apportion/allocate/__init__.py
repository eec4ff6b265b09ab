"""Pools, claims and the one split: billed money divided over its owners, exactly."""
