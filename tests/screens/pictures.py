"""Make pictures of every screen: `python -m tests.screens.pictures FOLDER`.

SVG files of each state at 80x24 and 120x36, for a look at them. `--settings FILE` shows them as
that `interface.yaml` says.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.pilot import recorded_runs
from tests.screens.svg_text import smaller

if TYPE_CHECKING:
    from tests.screens.state import State

SIZES = ((80, 24), (120, 36))


def main() -> None:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the states")
    arguments = parser.parse_args()
    # Both are read when the modules are imported: Textual's colours, and when the runs began.
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
    recorded_runs.START = time.time() - 81
    os.environ["HF_HUB_OFFLINE"] = "1"
    from tests.screens.adapter_states import ADAPTER_STATES
    from tests.screens.states import STATES

    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        (state, f"{state.name}-{size[0]}x{size[1]}", size)
        for state in (*STATES, *ADAPTER_STATES)
        for size in SIZES
    ]
    settings = arguments.settings.resolve() if arguments.settings else None
    for state, name, size in wanted:
        if arguments.only in name:
            target = folder / f"{name}.svg"
            asyncio.run(take(state, size, target, settings))
            print(target, target.stat().st_size)  # noqa: T201


async def take(
    state: State, size: tuple[int, int], target: Path, settings_file: Path | None
) -> None:
    """Write the picture of a state. Where it is not reached, what is there is shown, and it is
    reported."""
    from tests.screens.state import app_in

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["DEEPSYNTH_HOME"] = "home"
        app = app_in(state, Path("home"), settings_file)
        async with app.run_test(size=size) as pilot:
            try:
                await state.show(pilot)
            except AssertionError as error:
                print(f"{target.name}: {error}")  # noqa: T201
            app.clear_notifications()
            await pilot.pause()
            target.write_text(smaller(app.export_screenshot()), encoding="utf-8")
        os.chdir(target.parent)


if __name__ == "__main__":
    main()
