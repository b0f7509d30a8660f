"""Runs on a Slurm cluster of this machine."""
