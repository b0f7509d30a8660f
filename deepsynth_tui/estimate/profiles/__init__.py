"""What a model is made of, read off its own config without its weights."""
