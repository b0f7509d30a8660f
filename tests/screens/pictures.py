"""Make pictures of every screen: `python -m tests.screens.pictures FOLDER`.

SVG files of each state at 80x24 and 120x36, for a look at them. With `--readme` the pictures of the
README instead, at 120x36. `--settings FILE` shows them as that `interface.yaml` says.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
from pathlib import Path

SIZES = ((80, 24), (120, 36))
README = ("training-filled", "monitor-running", "monitor-samples", "compare")


def main() -> None:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the states")
    arguments = parser.parse_args()
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
    os.environ["HF_HUB_OFFLINE"] = "1"
    # After the environment is set, which Textual reads when it is imported.
    from tests.screens.states import STATES, State, app_in

    async def take(state: State, size: tuple[int, int], target: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DEEPSYNTH_HOME"] = folder
            app = app_in(state, Path(folder), arguments.settings)
            async with app.run_test(size=size) as pilot:
                try:
                    await state.show(pilot)
                except AssertionError as error:
                    print(f"{target.name}: {error}")  # noqa: T201
                app.clear_notifications()
                await pilot.pause()
                target.write_text(smaller(app.export_screenshot(title=None)), encoding="utf-8")

    arguments.folder.mkdir(parents=True, exist_ok=True)
    for state in STATES:
        if arguments.only not in state.name or (arguments.readme and state.name not in README):
            continue
        for size in SIZES[1:] if arguments.readme else SIZES:
            suffix = "" if arguments.readme else f"-{size[0]}x{size[1]}"
            target = arguments.folder / f"{state.name}{suffix}.svg"
            asyncio.run(take(state, size, target))
            print(target, target.stat().st_size)  # noqa: T201


def smaller(svg: str) -> str:
    """Return an SVG without the fonts that Rich links to, which README pages do not load."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    main()
