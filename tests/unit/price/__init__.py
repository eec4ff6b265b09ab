"""The price stage."""
