"""What the interface imports, and when: a static graph misses imports inside functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "transformers", "peft", "datasets", "bitsandbytes", "numpy", "PIL", "pyarrow"}

FIRST_FRAME = """
import sys
import deepsynth_tui.tui.app, deepsynth_tui.tui.screens.{mode}
print(" ".join(sys.modules))
"""
UNTIL_FIRST_FRAME = """
import sys
from pathlib import Path

sys.addaudithook(lambda event, _: calls.append(event))
calls = []

from deepsynth_tui.tui.app import DeepsynthApp

class UntilFirstFrame(DeepsynthApp):
    def _display(self, screen, renderable):
        super()._display(screen, renderable)
        if renderable is not None and screen.is_current:
            self.exit()

UntilFirstFrame(Path(sys.argv[1]), mode={mode!r}).run(headless=True)
network = {{"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}}
print(*network.intersection(calls), *{{"pynvml"}}.intersection(sys.modules))
"""
USED = """
import asyncio, sys
from pathlib import Path
from tests.pilot.forms import form_app, form_of, cache_model_layout
from tests.pilot.screen_host import until

async def use():
    cache_model_layout()
    async with form_app(Path(sys.argv[1]), {mode!r}) as pilot:
        await form_of(pilot).focus_field("output.dir")
        await until(pilot, lambda: all(w.group == "live run" for w in pilot.app.workers))
    print(" ".join(sys.modules))

asyncio.run(use())
"""


def _modules(program: str, home: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("mode", ["dataset", "training"])
def test_the_first_frame_waits_for_no_declarations(home: Path, mode: str) -> None:
    loaded = _modules(FIRST_FRAME.format(mode=mode), home)
    assert "textual" in loaded
    assert not loaded & (HEAVY | {"pydantic", "yaml", "textual_plotext", "pynvml"})


@pytest.mark.parametrize("mode", ["training", "adapters"])
def test_the_first_frame_waits_for_no_network_and_no_driver(home: Path, mode: str) -> None:
    assert _modules(UNTIL_FIRST_FRAME.format(mode=mode), home) == set()


@pytest.mark.parametrize("mode", ["dataset", "training"])
def test_a_form_in_use_loads_nothing_heavy(home: Path, mode: str) -> None:
    assert not _modules(USED.format(mode=mode), home) & HEAVY
