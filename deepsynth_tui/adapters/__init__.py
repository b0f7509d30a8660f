"""What is done with a trained adapter."""
