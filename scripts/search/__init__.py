"""Searches for architectures: scripts that found recipes, and what they found."""
