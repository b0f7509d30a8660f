"""Will it fit, how long, what does it cost. Torch is in its child processes alone."""
