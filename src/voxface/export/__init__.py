"""Face clips in files."""
