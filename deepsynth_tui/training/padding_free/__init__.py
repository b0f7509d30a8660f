"""The rows of a micro-batch one after the other, so that no padding is computed."""
