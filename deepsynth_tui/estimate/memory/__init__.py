"""Bytes on the GPU, term by term, as formulas over a profile and a configuration."""
