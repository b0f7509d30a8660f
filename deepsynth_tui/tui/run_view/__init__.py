"""What the screens on runs know beside drawing: reading a run's folder, and words for its state."""
