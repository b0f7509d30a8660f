"""Keys typed faster than the interface handles them, and before its form is there, act in order."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.process.terminal import Terminal

PROGRAM = [sys.executable, "-m", "deepsynth_tui"]
F1, F3, F4, F6, F9 = "\x1bOP", "\x1bOR", "\x1bOS", "\x1b[17~", "\x1b[20~"
TAB, SHIFT_TAB, ENTER, BACKSPACE, DELETE = "\t", "\x1b[Z", "\r", "\x7f", "\x1b[3~"
LEFT, RIGHT, DOWN, HOME, END = "\x1b[D", "\x1b[C", "\x1b[B", "\x1b[H", "\x1b[F"
DELETE_TO_START = "\x15"
ESCAPE = "\x1b[27u"
"""As terminals with the Kitty keyboard protocol send it; "ESC F" alone would be Alt+F."""


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def test_every_kind_of_key_typed_at_once_acts_in_order(tmp_path: Path):
    (tmp_path / "runs" / "one").mkdir(parents=True)  # the Training screen is shown first
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    keys = [
        "abcd", BACKSPACE, BACKSPACE, "X",  # abX
        HOME, "1", END, "2", LEFT, LEFT, DELETE,  # 1ab2, the cursor before 2
        DELETE_TO_START, "n-",  # the dataset: n-2
        F6, DELETE_TO_START, str(first), ENTER,
        TAB, "one", TAB, SHIFT_TAB, END, "/two",  # the model: one/two
        TAB, TAB, TAB, ENTER, DOWN, ENTER, SHIFT_TAB, SHIFT_TAB,  # another training preset
        END, paste("-pasted\nsecond line"),  # the name: my-run-pasted
        F1, ESCAPE, F9, ESCAPE, F4, F3, END, "!", BACKSPACE,
        ESCAPE, RIGHT, ESCAPE,  # in the panel: the next higher rank
        END, ".",
        F6, DELETE_TO_START, str(second), ENTER,
    ]  # fmt: skip
    with Terminal(PROGRAM, env={"DEEPSYNTH_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for(lambda text: "DeepSynth" in text)  # until then, the kernel edits the line
        terminal.press("".join(keys))
        terminal.wait_for(lambda _: second.exists(), seconds=180)
        terminal.wait_for(lambda text: "my-run-pasted." in text and "Folder:" not in text)
    assert yaml.safe_load(first.read_text())["data"]["path"] == "n-2"
    saved = yaml.safe_load(second.read_text())
    assert saved["name"] == "my-run-pasted."
    assert saved["model"]["name_or_path"] == "one/two"
    assert saved["lora"]["r"] > 16
