"""A deletion frees the bytes it announced, and half of one leaves nothing that looks like a run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, create_run, scan_runs
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.remove import finish_removals, freed_bytes, remove_run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user's that the run links to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_bytes(b"x" * 1000)
    return folder


@pytest.fixture
def elsewhere(home: Path, tmp_path: Path) -> RunDirectory:
    """A run in a folder of the user's."""
    return create_run(home, kind="training", name="x", config_text="", at=tmp_path / "out" / "here")


def test_links_out_of_the_folder_count_nothing_and_are_not_followed(
    home: Path, run: RunDirectory, outside: Path
):
    (run.path / "dataset").symlink_to(outside)
    (run.path / "file").symlink_to(outside / "precious")
    (run.path / "shared").hardlink_to(outside / "precious")
    (run.path / "weights").write_bytes(b"x" * 10)
    (run.path / "same").hardlink_to(run.path / "weights")
    inside = [run.identity, run.config, run.path / "weights"]
    assert freed_bytes(run.path) == sum(file.stat().st_size for file in inside)
    remove_run(home, run)
    assert not os.path.lexists(run.path)
    assert (outside / "precious").read_bytes() == b"x" * 1000
    assert list((home / "runs").iterdir()) == []


def test_a_run_elsewhere_goes_with_its_link_and_the_links_to_it(
    home: Path, elsewhere: RunDirectory
):
    (home / "runs" / "former").symlink_to(elsewhere.id)
    remove_run(home, elsewhere)
    assert list(elsewhere.path.parent.iterdir()) == []
    assert list((home / "runs").iterdir()) == []


def remove_and_die(home: Path, run: RunDirectory, calls: int) -> bool:
    """Remove `run` in a process that dies before its `calls`-th change of a file; True if it died.

    An audit hook cannot be taken out again, so it needs a process of its own.
    """
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    left = calls

    def die(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in ("os.rename", "os.remove", "os.rmdir", "os.symlink"):
            left -= 1
            if left == 0:
                os._exit(9)

    sys.addaudithook(die)
    try:
        remove_run(home, run)
    finally:
        os._exit(0)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_killed_at_any_time_it_leaves_a_whole_run_or_none(
    home: Path, tmp_path: Path, is_elsewhere: bool
):
    deaths = 0
    while True:
        at = tmp_path / f"out{deaths}" if is_elsewhere else None
        run = create_run(home, kind="training", name="x", config_text="", at=at)
        (run.path / "checkpoints").mkdir()
        (run.path / "checkpoints" / "weights").write_bytes(b"12345")
        died = remove_and_die(home, run, deaths + 1)
        names = [listed.run.id for listed in scan_runs(home)]
        assert names in ([], [run.id])
        if names:
            assert (run.path / "checkpoints" / "weights").is_file()
            assert run.config.is_file()
            remove_run(home, run)
        freed = finish_removals(home)
        assert list((home / "runs").iterdir()) == []
        assert not at or not list(tmp_path.glob(f"*{at.name}*"))
        if not died:
            assert freed == 0
            break
        deaths += 1
    assert deaths >= 6  # the rename, three files, two folders and the run itself


def test_leftovers_are_only_what_a_deletion_left(home: Path, run: RunDirectory, outside: Path):
    (home / "runs" / ".x.deleted").symlink_to(outside)
    (home / "runs" / ".mine").mkdir()
    finish_removals(home)
    assert (outside / "precious").is_file()
    assert (home / "runs" / ".mine").is_dir()
    assert run.identity.is_file()


def test_a_run_with_a_job_is_not_deleted(home: Path, run: RunDirectory):
    with claim(run), pytest.raises(RunBusy):
        remove_run(home, run)
    assert run.identity.is_file()


def test_half_a_run_can_be_deleted(home: Path, run: RunDirectory):
    run.identity.unlink()
    run.events.write_text("")
    remove_run(home, run)
    assert not run.path.exists()
