"""The laws of the design (L1 to L9) on random companies, with Hypothesis."""
