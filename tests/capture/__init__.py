"""Calls metered inside the process that makes them: real clients, on loopback."""
