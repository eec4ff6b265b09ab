"""Setup: what lies in a folder, and the settings that would read it; nothing is copied, and nothing is published."""
