"""The built-in connectors; they register through the entry points a stranger would use."""
