"""Creating, listing and finding run directories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.runs import directory
from deepsynth_tui.runs.directory import (
    RunDirectory,
    RunExists,
    RunNotFound,
    RunNotWritable,
    create_run,
    find_run,
    list_runs,
    open_run,
    read_identity,
)

NOON = 1763812800.0


def make(home: Path, name: str = "run", **more) -> RunDirectory:
    return create_run(home, kind="training", name=name, config_text="a: 1\n", **more)


def test_create_run_writes_the_identity(home: Path):
    run = create_run(
        home, kind="dataset", name="Böse Namen/..", config_text="kind: dataset\n", now=NOON
    )
    assert run.path == home / "runs" / run.id
    assert run.id.endswith("-böse-namen")
    assert run.config.read_text() == "kind: dataset\n"
    who = read_identity(run)
    assert (who.id, who.kind, who.name, who.created) == (run.id, "dataset", "Böse Namen/..", NOON)
    assert who.cwd == Path.cwd()
    assert who.after is None
    assert run.control.is_dir()


def test_the_folder_of_a_run_that_is_gone_has_no_time(tmp_path: Path):
    assert directory.folder_changed(RunDirectory("gone", tmp_path / "gone")) == 0.0


def test_id_of_a_name_without_letters_has_the_kind(home: Path):
    assert make(home, "..//__").id.endswith("-training")


def test_ids_of_the_same_second_differ(home: Path):
    ids = [make(home, now=NOON).id for _ in range(3)]
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]


def test_processes_create_runs_concurrently(home: Path):
    code = (
        "import sys, pathlib; from deepsynth_tui.runs.directory import create_run\n"
        "print(create_run(pathlib.Path(sys.argv[1]), kind='training', name='x', config_text='',"
        f" now={NOON}).id)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, home], stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    ids = {process.communicate()[0].decode().strip() for process in started}
    assert len(ids) == 6
    assert ids == {run.id for run in list_runs(home)}


def test_run_elsewhere_is_listed_through_a_link(home: Path, tmp_path: Path):
    at = tmp_path / "out" / "here"
    run = make(home, at=at)
    assert run.path == at.resolve()
    assert (home / "runs" / run.id).is_symlink()
    assert list_runs(home) == [run]
    assert find_run(home, run.id) == run
    assert find_run(home, at) == run


def test_an_empty_folder_is_used(home: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    assert make(home, at=tmp_path / "out").config.is_file()


def test_a_folder_with_files_is_refused_and_unchanged(home: Path, tmp_path: Path):
    at = tmp_path / "out"
    at.mkdir()
    (at / "thesis.txt").write_text("years of work")
    with pytest.raises(RunExists, match=r"not empty.*output\.dir"):
        make(home, at=at)
    assert [path.name for path in at.iterdir()] == ["thesis.txt"]
    assert list_runs(home) == []
    with pytest.raises(RunExists, match="is a file"):
        make(home, at=at / "thesis.txt")


def test_folder_of_another_run_is_refused_with_advice(home: Path, tmp_path: Path):
    make(home, at=tmp_path / "out")
    with pytest.raises(RunExists, match=r"already holds a run.*resume"):
        make(home, at=tmp_path / "out")
    assert len(list_runs(home)) == 1


def test_home_that_cannot_be_created(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunNotWritable, match="DEEPSYNTH_HOME"):
        make(tmp_path / "file" / "home")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_home_that_is_not_writable(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunNotWritable, match="Permission denied"):
            make(tmp_path / "home")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_nothing_is_left_when_the_disk_is_full(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
):
    def full(path: Path, data: bytes, *, durable: bool) -> None:
        if path.name == "run.json":
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(directory.atomic, "replace", full)
    at = tmp_path / "out" if elsewhere else None
    with pytest.raises(RunNotWritable, match="No space left"):
        make(home, at=at)
    assert list((home / "runs").iterdir()) == []
    assert at is None or list(at.iterdir()) == []


def test_failure_after_the_last_file_leaves_the_folder_free(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    replace = directory.atomic.replace

    def fail_late(path: Path, data: bytes, *, durable: bool) -> None:
        replace(path, data)
        if path.name == "run.json":  # it is there, but not known to survive a power cut
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(directory.atomic, "replace", fail_late)
    at = tmp_path / "out"
    with pytest.raises(RunNotWritable, match="Input/output error"):
        make(home, at=at)
    assert list(at.iterdir()) == []
    monkeypatch.undo()
    assert make(home, at=at).config.is_file()


def test_list_is_newest_first_and_skips_other_folders(home: Path, tmp_path: Path):
    assert list_runs(home) == []
    old, new = make(home, "a", now=NOON), make(home, "b", now=NOON + 100)
    gone = make(home, "gone", at=tmp_path / "gone")
    shutil.rmtree(gone.path)
    (home / "runs" / "notes").mkdir()
    (home / "runs" / "file").write_text("")
    torn = home / "runs" / "torn"
    torn.mkdir()
    (torn / "run.json").write_text('{"id": "to')
    assert list_runs(home) == [new, old]


def test_run_with_two_names_is_listed_once(home: Path):
    run = make(home)
    (home / "runs" / "zz-link").symlink_to(run.path)
    assert [listed.id for listed in list_runs(home)] == [run.id]


def test_id_of_a_copied_run_is_its_folder_name(home: Path):
    run = make(home)
    shutil.copytree(run.path, home / "runs" / "kept")
    assert {listed.id for listed in list_runs(home)} == {run.id, "kept"}
    assert find_run(home, "kept").path == home / "runs" / "kept"


def test_find_run(home: Path, tmp_path: Path):
    old = make(home, "twin", now=NOON)
    new = make(home, "twin", now=NOON + 100_000)
    assert find_run(home, old.id) == old
    assert find_run(home, old.id[:-6]) == old
    assert find_run(home, "twin") == new
    assert find_run(home, str(old.path)) == old
    alone = make(tmp_path / "other home", "alone")
    assert find_run(home, alone.path).id == alone.id


def test_find_run_suggests_similar_ids(home: Path):
    first = make(home, "letters", now=NOON)
    two = make(home, "numbers", now=NOON + 1)
    with pytest.raises(RunNotFound, match="Did you mean") as caught:
        find_run(home, "leters")
    assert caught.value.nearest == (first.id,)
    with pytest.raises(RunNotFound, match="beginning of 2 runs") as caught:
        find_run(home, first.id[:8])
    assert set(caught.value.nearest) == {first.id, two.id}
    with pytest.raises(RunNotFound, match="There is no run ''"):
        find_run(home, "")


def test_after_must_exist(home: Path, tmp_path: Path):
    first = make(home, "first", at=tmp_path / "first")
    second = make(home, "second", after="first")
    assert read_identity(second).after == first
    with pytest.raises(RunNotFound):
        make(home, "third", after="no such")
    assert len(list_runs(home)) == 2


def test_run_removed_under_a_reader(home: Path):
    run = make(home)
    shutil.rmtree(run.path)
    with pytest.raises(RunNotFound, match=r"run\.json"):
        read_identity(run)
    with pytest.raises(RunNotFound, match="not a run directory"):
        open_run(run.path)


def test_run_json_is_plain_json(home: Path):
    run = make(home)
    assert json.loads(run.identity.read_text())["v"] == 1
