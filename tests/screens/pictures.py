"""Make pictures of every screen: `python -m tests.screens.pictures FOLDER`.

SVG files of each state at 80x24 and 120x36, for a look at them. `--settings FILE` shows them as
that `interface.yaml` says. With `--readme`, the pictures of the README at 120x36 instead:
`python -m tests.screens.pictures .github/pictures --readme`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.pilot import recorded_runs

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tests.screens.states import State

SIZES = ((80, 24), (120, 36))
README_STATES = {"monitor-samples": "samples", "compare": "compare"}
"""States in the README, and the names of their pictures there. Others have states of their own."""
DATASET = (
    "kind: dataset\nname: invoices\nsource: {path: 'builtin:sample'}\noutput: {dir: invoices}\n"
)


def main() -> None:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the states")
    arguments = parser.parse_args()
    # Both are read when the modules are imported: Textual's colours, and when the runs began.
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
    recorded_runs.START = time.time() - 81
    os.environ["HF_HUB_OFFLINE"] = "1"
    from tests.screens.states import STATES, State, monitor, running_run

    folder: Path = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.readme:
        show_monitor = monitor(running_run, "loss 0.", then=("right",), after="97.12")
        chosen = [
            (State("form", "training", readme_form, make_dataset), "form"),
            (State("monitor", "runs", show_monitor), "monitor"),
            *((state, README_STATES.get(state.name, "")) for state in STATES),
        ]
        wanted = [(state, name, SIZES[1]) for state, name in chosen if name]
    else:
        wanted = [
            (state, f"{state.name}-{size[0]}x{size[1]}", size) for state in STATES for size in SIZES
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
    from tests.screens.states import app_in

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


def make_dataset(home: Path) -> None:
    """Make the dataset that the form of the README trains on."""
    Path("invoices.yaml").write_text(DATASET, encoding="utf-8")
    _run(["-m", "deepsynth_tui", "generate", "invoices.yaml"])


async def readme_form(pilot: Pilot[Any]) -> None:
    """Fill the form until it is ready to start."""
    from deepsynth_tui.tui.fit.panel import FitPanel
    from tests.pilot.forms import form_is_ready, start_bar, type_into
    from tests.pilot.screen_host import until

    await until(pilot, lambda: form_is_ready(pilot))
    await type_into(pilot, "data.path", "invoices")
    await type_into(pilot, "model.name_or_path", "builtin:tiny-vlm")
    await type_into(pilot, "name", "rank32")
    await type_into(pilot, "lora.r", "32")
    panel = pilot.app.screen.query_one(FitPanel)
    for _ in range(20):  # the model is read by a process that imports PyTorch
        try:
            await until(
                pilot,
                lambda: (
                    start_bar(pilot)[0]
                    and panel.view is not None
                    and panel.view.report_is_current
                    and not panel.status
                    and "counting" not in start_bar(pilot)[1]
                ),
            )
        except AssertionError:
            continue
        break


def smaller(svg: str) -> str:
    """Return an SVG without the fonts that Rich links to, which README pages do not load, and
    with the leading spaces of its texts, which some programs leave out."""
    without_fonts = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return without_fonts.replace("<svg ", '<svg xml:space="preserve" ', 1)


def _run(arguments: Sequence[str]) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, *arguments], check=True, env=environment, capture_output=True)


if __name__ == "__main__":
    main()
