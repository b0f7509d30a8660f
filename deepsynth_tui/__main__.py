"""The program: `deepsynth-tui` and `python -m deepsynth_tui`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; with nothing on it, open the interface without loading the rest."""
    if len(sys.argv) == 1 and sys.stdin.isatty() and sys.stdout.isatty():
        gc.disable()  # all that start-up makes stays; the application turns collection on again
        from deepsynth_tui.config.locations import home
        from deepsynth_tui.tui.app import run_app
        from deepsynth_tui.tui.terminal import end_process

        end_process(run_app(home()))
    from deepsynth_tui.cli import app

    app()


if __name__ == "__main__":
    main()
