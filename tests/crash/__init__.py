"""Runs that are killed, refused or crowded."""
