"""The fit panel: whether a run fits the GPU, how long it takes and what it costs."""
