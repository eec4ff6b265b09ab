"""What lies in a folder, and the settings that are proposed for it."""
