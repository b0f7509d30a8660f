"""Answers of the model before, during and after training, and metrics of them."""
