"""The stage `allocate`, module by module."""
