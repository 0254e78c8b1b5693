"""The face as values: rigs, clips on an even grid, tracks as measured, lip gap, axes."""
