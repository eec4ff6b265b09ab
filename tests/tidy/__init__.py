"""The house rules that a linter does not know."""
