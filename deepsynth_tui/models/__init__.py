"""What is known of a model without its weights: layout, towers, image tokens, dimensions."""
