"""Every error text, by the command that shows it."""
