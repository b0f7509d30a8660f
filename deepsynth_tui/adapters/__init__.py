"""Adapters on disk: which there are, and what one of them answers."""
