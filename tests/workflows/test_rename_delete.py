"""Renaming and deleting runs that other runs need."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from deepsynth_tui.runs.directory import (
    RunDirectory,
    create_run,
    find_run,
    list_runs,
    read_identity,
)
from deepsynth_tui.runs.liveness import ENDED, own_status, write_status
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.remove import NotRemoved
from deepsynth_tui.workflows.delete_runs import delete, plan_deletion
from deepsynth_tui.workflows.rename_run import CannotRename, rename_run
from deepsynth_tui.workflows.run_references import RunInUse

NOON = 1763812800.0


def make(home: Path, name: str = "Pages", config: str = "", **more) -> RunDirectory:
    text = f"kind: dataset # of {name}\nname: {name}\n{config}"
    return create_run(home, kind="dataset", name=name, config_text=text, now=NOON, **more)


@pytest.fixture
def pages(home: Path) -> RunDirectory:
    run = make(home)
    run.dataset.mkdir()
    return run


def live(run: RunDirectory) -> Iterator[None]:
    """Let this process be the job of `run`."""
    with claim(run):
        status = replace(own_status(time.time()), heartbeat=time.time(), phase="training")
        write_status(run, status)
        yield
        write_status(run, replace(status, phase=ENDED))


def training_on(home: Path, path: str, cwd: Path) -> RunDirectory:
    text = f"data:\n  path: {path}\n"
    return create_run(home, kind="training", name="tune", config_text=text, cwd=cwd, now=NOON)


def test_folder_id_name_and_configuration_are_renamed(home: Path, pages: RunDirectory):
    renamed = rename_run(home, pages, "  Better Pages ")
    run = renamed.run
    assert run.id == pages.id.replace("pages", "better-pages")
    assert (run.path, renamed.link, renamed.notes) == (home / "runs" / run.id, None, ())
    assert not pages.path.exists()
    identity = read_identity(run)
    assert (identity.id, identity.name) == (run.id, "Better Pages")
    assert (identity.created, identity.kind) == (NOON, "dataset")
    text = run.config.read_text()
    assert yaml.safe_load(text)["name"] == "Better Pages"
    assert "# of Pages" in text
    for ref in (run.id, "Better Pages", "Pages", pages.id, str(run.path)):
        assert find_run(home, ref) == run


def test_a_new_run_takes_over_a_former_name(home: Path, pages: RunDirectory):
    rename_run(home, pages, "Other")
    newer = make(home)
    assert find_run(home, "Pages") == newer


def test_renaming_twice_and_back(home: Path, pages: RunDirectory):
    once = rename_run(home, pages, "Other").run
    back = rename_run(home, once, "Pages")
    assert back.run == pages
    assert list_runs(home) == [pages]
    assert rename_run(home, pages, "pages").run == pages


def test_a_name_that_is_taken_gets_a_number(home: Path, pages: RunDirectory):
    other = make(home, "Other")
    assert rename_run(home, pages, "Other").run.id == f"{other.id}-2"
    assert len(list_runs(home)) == 2


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "\x1b[31m", "a/b", "..", "x" * 201])
def test_names_that_no_list_can_show(home: Path, pages: RunDirectory, name: str):
    with pytest.raises(CannotRename):
        rename_run(home, pages, name)
    assert list_runs(home) == [pages]


def test_a_link_keeps_paths_in_other_runs_valid(home: Path, pages: RunDirectory):
    training_on(home, f"{pages.path}/dataset", home)
    once = rename_run(home, pages, "Other")
    assert once.link == pages.path
    twice = rename_run(home, once.run, "Third")
    assert (pages.path / "run.json").samefile(twice.run.identity)
    assert {run.id for run in list_runs(home)} >= {twice.run.id}
    assert len(list_runs(home)) == 2
    delete(plan_deletion(home, twice.run))
    assert len(list((home / "runs").iterdir())) == 1


def test_a_name_in_other_runs_needs_no_link(home: Path, pages: RunDirectory):
    training_on(home, "Pages", home)
    renamed = rename_run(home, pages, "Other")
    assert renamed.link is None
    assert find_run(home, "Pages") == renamed.run


def test_a_run_elsewhere_keeps_its_folder(home: Path, tmp_path: Path):
    run = make(home, at=tmp_path / "out")
    renamed = rename_run(home, run, "Other")
    assert renamed.run.path == run.path
    assert [entry.name for entry in (home / "runs").iterdir()] == [renamed.run.id]
    assert find_run(home, tmp_path / "out") == renamed.run
    assert list_runs(home) == [renamed.run]


def test_a_damaged_configuration_keeps_its_name_and_that_is_said(home: Path, pages: RunDirectory):
    pages.config.write_text("name: [")
    renamed = rename_run(home, pages, "Other")
    assert "config.yaml keeps its name" in renamed.notes[0]
    assert renamed.run.config.read_text() == "name: ["


def test_a_live_run_is_neither_renamed_nor_deleted(home: Path, pages: RunDirectory):
    for _ in live(pages):
        with pytest.raises(RunBusy, match="running"):
            rename_run(home, pages, "Other")
        with pytest.raises(RunBusy, match="running"):
            plan_deletion(home, pages)
    assert list_runs(home) == [pages]


@pytest.mark.parametrize(("path", "is_in_it"), [("dataset", True), ("Pages", False)])
def test_what_a_live_run_reads_is_neither_renamed_nor_deleted(
    home: Path, pages: RunDirectory, path: str, is_in_it: bool
):
    tune = training_on(home, path, pages.path if is_in_it else home)
    for _ in live(tune):
        with pytest.raises(RunInUse, match=r"names it in data\.path"):
            rename_run(home, pages, "Other")
        with pytest.raises(RunInUse, match=r"names it in data\.path"):
            plan_deletion(home, pages)
    plan = plan_deletion(home, pages)
    assert plan.to_json()["needed_by"] == [{"id": tune.id, "relation": "names it in data.path"}]
    assert plan.bytes == sum(
        file.stat().st_size for file in pages.path.rglob("*") if file.is_file()
    )
    delete(plan)
    assert list_runs(home) == [tune]


def test_a_run_that_waits_is_told(home: Path, pages: RunDirectory):
    after = create_run(home, kind="training", name="t", config_text="", after=pages.id, now=NOON)
    (reference,) = plan_deletion(home, pages).needed_by
    assert (reference.run, reference.relation) == (after, "starts after it")
    assert rename_run(home, pages, "Other").link == pages.path


def test_a_folder_that_holds_another_run_is_not_deleted(home: Path, pages: RunDirectory):
    make(home, "inner", at=pages.path / "inner")
    with pytest.raises(NotRemoved, match="lies in its folder"):
        plan_deletion(home, pages)
