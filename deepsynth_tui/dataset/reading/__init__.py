"""Documents out of files, folders and the Hub, and what of each is drawn."""
