"""From rows of a dataset to batches: what the model is given, and what it is to learn."""
