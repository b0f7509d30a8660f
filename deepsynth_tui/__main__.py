"""`python -m deepsynth_tui`."""

from deepsynth_tui.cli import main

if __name__ == "__main__":
    main()
