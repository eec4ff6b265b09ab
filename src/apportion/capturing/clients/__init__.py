"""The HTTP clients that are watched: which of their methods a call passes, and what is told of it there."""
