"""Folders built on first use: complete or absent in the cache, for any number of processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.builtin.build_cached import build_cached

# Each process writes until both have started.
SCRIPT = """
import time
from deepsynth_tui.builtin.build_cached import build_cached

def write(folder):
    (folder / "part").touch()
    deadline = time.monotonic() + 60
    while len(list(folder.parent.glob("*/part"))) < 2:
        assert time.monotonic() < deadline

print(build_cached("model-1", write))
"""


def test_two_processes_at_once(home: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = [process.communicate()[0].strip() for process in running]

    assert [process.returncode for process in running] == [0, 0]
    assert paths[0] == paths[1]
    folder = Path(paths[0])
    assert home in folder.parents
    assert [path.name for path in folder.parent.iterdir()] == [
        "model-1"
    ]  # no temporary folders left
    assert [path.name for path in folder.iterdir()] == ["part"]


def test_an_existing_folder_is_not_written_again(home: Path) -> None:
    folder = build_cached("model-1", lambda folder: (folder / "part").touch())
    assert build_cached("model-1", lambda _: pytest.fail("written again")) == folder


def test_a_failed_write_leaves_nothing(home: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        build_cached("model-1", fail)
    assert list((home / "cache" / "builtin").iterdir()) == []
