"""Simulate one training step of the real code on fake tensors, and count its memory."""
