"""Phones become curves of the mouth."""
