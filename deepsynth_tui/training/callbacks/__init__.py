"""The trainer callbacks of a run; `build` puts them together, in the order in which they act."""
