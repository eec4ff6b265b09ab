"""Real bills and traces, taken through the real pipeline."""
