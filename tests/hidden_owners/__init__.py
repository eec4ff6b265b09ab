"""Companies whose owners are known to the test alone: how much of what is proposed is right, and how much is left."""
