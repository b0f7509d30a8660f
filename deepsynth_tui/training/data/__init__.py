"""From the rows of a dataset to batches of model inputs and labels."""
