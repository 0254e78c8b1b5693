"""Talking video in, face tracks out."""
