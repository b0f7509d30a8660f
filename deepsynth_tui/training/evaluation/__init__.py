"""What the model answers, before, during and after training, and how good that is."""
