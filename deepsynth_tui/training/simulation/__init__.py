"""One training step of the real code on tensors without memory, counted byte by byte."""
