"""What a run leaves: checkpoints, the adapter, the proof that it is what was trained."""
