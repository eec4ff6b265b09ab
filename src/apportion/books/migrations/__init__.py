"""How the books came to their present form, step by step; run by `books.database` and by nothing else."""

HEAD = "0004"
