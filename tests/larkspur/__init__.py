"""Larkspur and its answer key."""
