"""GPU memory of a training step, term by term, as formulas over a layout and a configuration."""
