"""Runs beside each other: what differs in their settings, what came out, and their curves."""
