"""Calls metered at the moment they are made, and written down before anybody has their answer."""
