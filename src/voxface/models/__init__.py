"""Nets from rows of features to rows of channels."""
