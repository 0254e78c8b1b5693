"""Sound in, rows of features out."""
