"""The peak of one training step of the real code, without a GPU and without weights."""
