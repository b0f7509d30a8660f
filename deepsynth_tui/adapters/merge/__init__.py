"""An adapter merged into its base model, after the result was measured against base + adapter."""
