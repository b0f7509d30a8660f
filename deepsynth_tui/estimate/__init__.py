"""GPU memory, time and cost of a training run. Only child processes import torch."""
