"""Calls metered inside the process that makes them, for scripts and jobs that cannot change their base URL."""
