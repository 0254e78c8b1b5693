"""A bundle and sound in, a face clip out."""
