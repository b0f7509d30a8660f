"""What the command line and the screens both do with a run: start, resume, retry, follow, check."""
