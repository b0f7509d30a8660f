"""The first batch, taken apart before a run."""
