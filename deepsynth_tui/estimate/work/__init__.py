"""What a training step has to do, counted: arithmetic, memory traffic, kernels."""
