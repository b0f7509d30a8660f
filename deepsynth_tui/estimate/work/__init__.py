"""FLOPs, bytes and kernel launches of a training step."""
