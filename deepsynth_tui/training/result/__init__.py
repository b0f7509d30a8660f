"""What a run writes: checkpoints, and the adapter or model with model card and lineage."""
