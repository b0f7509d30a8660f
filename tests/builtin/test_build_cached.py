"""What is made on first use lies in the cache whole or not at all, whoever asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.builtin.build_cached import build_cached

# Each process writes until both have begun.
SCRIPT = """
import time
from deepsynth_tui.builtin.build_cached import build_cached

def write(folder):
    (folder / "part").touch()
    late = time.monotonic() + 60
    while len(list(folder.parent.glob("*/part"))) < 2:
        assert time.monotonic() < late

print(build_cached("thing-1", write))
"""


def test_two_processes_at_once(home: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate()[0].strip() for process in running]

    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    made = Path(answers[0])
    assert home in made.parents
    assert [path.name for path in made.parent.iterdir()] == ["thing-1"]  # no drafts left
    assert [path.name for path in made.iterdir()] == ["part"]


def test_what_is_there_is_not_written_again(home: Path) -> None:
    made = build_cached("thing-1", lambda folder: (folder / "part").touch())
    assert build_cached("thing-1", lambda _: pytest.fail("written again")) == made


def test_a_failed_write_leaves_nothing(home: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        build_cached("thing-1", fail)
    assert list((home / "cache" / "builtin").iterdir()) == []
