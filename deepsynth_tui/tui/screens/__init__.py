"""Whole screens, one to a module, each with its stylesheet beside it."""
