"""Every case on both engines, bit by bit."""
