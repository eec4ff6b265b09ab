"""The suite; CONTRIBUTING.md says what lives where."""
