"""The report stage over tables that are built by hand."""
