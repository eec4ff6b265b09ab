"""Normalize: files become tables of one grain each; what cannot be read is set aside and counted."""
