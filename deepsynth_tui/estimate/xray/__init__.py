"""The first batch of a run as the model gets it: what is known of it, asked for, and told."""
