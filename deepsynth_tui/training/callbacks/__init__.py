"""What is seen of the steps: memory, time, losses, whether anything learns."""
