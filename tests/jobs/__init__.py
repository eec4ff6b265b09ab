"""Commands that run under watch, with a stand-in for the library that tells of GPUs."""
