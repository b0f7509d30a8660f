"""Training in several processes: a launcher that owns the run and one rank per GPU."""
