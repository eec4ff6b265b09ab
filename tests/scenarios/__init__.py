"""The worked acceptance scenarios: one project folder per variant, run through the real command line."""
