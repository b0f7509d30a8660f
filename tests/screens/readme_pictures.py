"""Make the pictures of the README: `python -m tests.screens.readme_pictures HOME FOLDER`.

HOME is that of a finished `deepsynth-tui demo` and of an exam of its adapter; what the pictures
show has been computed there. `DEEPSYNTH_HOME=HOME deepsynth-tui demo --headless` and
`... adapters exam RUN --data demo-pages --base` make it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.screens.svg_text import smaller

if TYPE_CHECKING:
    from textual.pilot import Pilot

SIZE = (120, 36)


def main() -> None:
    """Make the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    # Read when Textual is imported.
    os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["DEEPSYNTH_HOME"] = str(arguments.home.resolve())
    arguments.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(arguments.home.resolve(), arguments.folder.resolve()))


async def take(home: Path, folder: Path) -> None:
    """Go through the screens by keyboard and write a picture of each."""
    from deepsynth_tui.tui.app import DeepsynthApp

    app = DeepsynthApp(home, mode="runs")

    def save(name: str) -> None:
        app.clear_notifications()
        (folder / f"{name}.svg").write_text(smaller(app.export_screenshot()), encoding="utf-8")

    async with app.run_test(size=SIZE) as pilot:
        await shows(pilot, "demo-lora", "demo-pages")
        await pilot.press("enter")
        await shows(pilot, "verified", "sample 1/", "logits differ")
        save("monitor")
        await pilot.press("v")
        await shows(pilot, "after")
        save("samples")
        await pilot.press("escape", "escape", "f8")
        await shows(pilot, "demo-lora", "norm of the update")
        save("adapters")
        await show_exam(pilot, home)
        save("exam")
        await pilot.press("escape", "f3")
        await fill_form(pilot)
        save("form")


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    """Wait for texts on the screen, also where a process that imports PyTorch has to answer."""
    from tests.pilot.screen_host import text_of, until

    try:
        await until(
            pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts), turns=1500
        )
    except AssertionError:
        raise SystemExit(f"not on the screen: {texts}\n{text_of(pilot.app.screen)}") from None


async def show_exam(pilot: Pilot[Any], home: Path) -> None:
    """Show the only exam of `home`."""
    from deepsynth_tui.adapters.exam.files import ExamFolder
    from deepsynth_tui.tui.screens.adapters import AdaptersScreen
    from deepsynth_tui.tui.screens.exam import ExamScreen
    from tests.pilot.screen_host import text_of, until

    screen = pilot.app.screen
    assert isinstance(screen, AdaptersScreen)
    (exam,) = (home / "exams").iterdir()
    keys = [candidate.key for candidate in ExamFolder(exam).candidates()]
    pilot.app.push_screen(ExamScreen(screen.look, str(exam), keys))
    await shows(pilot, "Row 1 of", "target")
    await until(pilot, lambda: "reading the page" not in text_of(pilot.app.screen), turns=1500)


async def fill_form(pilot: Pilot[Any]) -> None:
    """Fill the form until it is ready to start."""
    from deepsynth_tui.tui.fit.panel import FitPanel
    from tests.pilot.forms import form_is_ready, start_bar, type_into
    from tests.pilot.screen_host import until

    await until(pilot, lambda: form_is_ready(pilot))
    await type_into(pilot, "data.path", "demo-pages")
    await type_into(pilot, "model.name_or_path", "builtin:tiny-vlm")
    await type_into(pilot, "name", "rank32")
    await type_into(pilot, "lora.r", "32")
    panel = pilot.app.screen.query_one(FitPanel)
    await until(
        pilot,
        lambda: (
            start_bar(pilot)[0]
            and panel.view is not None
            and panel.view.report_is_current
            and not panel.status
            and "counting" not in start_bar(pilot)[1]
        ),
        turns=1500,
    )


if __name__ == "__main__":
    main()
