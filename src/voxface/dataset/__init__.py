"""Captures to aligned rows, masks and splits."""
