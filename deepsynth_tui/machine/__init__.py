"""GPUs: those that are in this machine, and those that can be had."""
