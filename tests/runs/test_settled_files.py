"""Files that were parsed before are parsed again after any change."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs import json_file
from deepsynth_tui.runs.directory import RunUnreadable, read_identity, write_identity
from deepsynth_tui.runs.json_file import settled_version
from deepsynth_tui.runs.liveness import ENDED, StatusUnreadable, read_status
from tests.pilot.recorded_runs import alive, ended, new_run


@pytest.fixture(autouse=True)
def everything_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember files from the first reading on."""
    monkeypatch.setattr(json_file, "SETTLED_SECONDS", -10.0)


def test_a_file_that_has_just_changed_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_file, "SETTLED_SECONDS", 3600.0)
    path = tmp_path / "status.json"
    path.write_text("{}")
    assert settled_version(path) is None
    os.utime(path, (0, 0))  # whoever sets the time of a file does not set that of its change
    assert settled_version(path) is None


def test_a_replaced_status_is_read_again(home: Path) -> None:
    run = new_run(home, "run")
    alive(run, "training")
    before = read_status(run)
    assert before is not None
    assert read_status(run) is before
    ended(run)
    after = read_status(run)
    assert after is not None
    assert (before.phase, after.phase) == ("training", ENDED)


def test_a_renamed_run_is_read_again(home: Path) -> None:
    run = new_run(home, "run")
    identity = read_identity(run)
    write_identity(run, replace(identity, name="other"))
    assert read_identity(run).name == "other"


def test_a_status_damaged_in_place_is_read_again(home: Path) -> None:
    run = new_run(home, "run")
    alive(run, "training")
    read_status(run)
    text = run.status.read_text()
    stat = run.status.stat()
    _wait_for_another_tick(run.path)
    with run.status.open("r+") as file:
        file.write("x" * len(text))
    os.utime(run.status, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(StatusUnreadable):
        read_status(run)


def test_a_removed_file_is_gone(home: Path) -> None:
    run = new_run(home, "run")
    alive(run, "training")
    read_status(run)
    run.status.unlink()
    assert read_status(run) is None


def test_what_cannot_be_parsed_is_not_remembered(home: Path) -> None:
    run = new_run(home, "run")
    content = json.loads(run.identity.read_bytes())
    run.identity.write_text("{")
    with pytest.raises(RunUnreadable):
        read_identity(run)
    run.identity.write_text(json.dumps(content))
    assert read_identity(run).name == "run"


def _wait_for_another_tick(folder: Path) -> None:
    """Return once the file system gives another time than it gave before."""
    probe = folder / "probe"
    probe.touch()
    before = probe.stat().st_ctime_ns
    deadline = time.monotonic() + 10
    while probe.stat().st_ctime_ns == before:
        assert time.monotonic() < deadline
        probe.chmod(0o600)
    probe.unlink()
