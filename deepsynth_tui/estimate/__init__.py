"""Will it fit, how long, what does it cost: everything here but `profile_job` is torch-free."""
