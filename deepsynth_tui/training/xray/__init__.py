"""X-ray: the first training batch token by token, with its labels, before the run starts."""
