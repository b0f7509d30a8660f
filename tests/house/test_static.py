"""Style and types, where a reader would look for them: clean, everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], ["pyright"]],
    ids=lambda command: "-".join(command),
)
def test_clean(command: list[str]):
    tool = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [tool, *command[1:]], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_two_rooms():
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "deepsynth_tui").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert not too_long
