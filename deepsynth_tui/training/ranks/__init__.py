"""Training in several processes: one owns the run, the others, the ranks, share every batch."""
