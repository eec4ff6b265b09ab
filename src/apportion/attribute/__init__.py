"""Who used it and what for: scope, categories, and the dimensions with their evidence."""
