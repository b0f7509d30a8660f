"""Page features: what a frozen vision tower and projector make of a page, computed once."""
