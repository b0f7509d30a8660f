"""What the form screens know and do beside drawing: values, drafts, checks, estimates, starting."""
