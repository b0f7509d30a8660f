"""A training configuration as a task of SkyPilot, which starts it on a machine of a cloud."""
