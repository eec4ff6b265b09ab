"""The documentation says what the product does, no more and no less."""
