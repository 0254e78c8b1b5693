"""Captures become a dataset: aligned rows at 100 Hz, masks, splits without leaks, windows, a validation report."""
