"""Read documents from files, folders and the Hub, and compose what is drawn for each."""
