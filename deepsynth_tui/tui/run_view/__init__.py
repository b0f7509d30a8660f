"""What the run screens show: snapshots of a run directory, and states and figures as text."""
