"""`runs` and its commands: JSON alone on stdout, exit codes, nothing deleted without a yes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deepsynth_tui.cli import app
from deepsynth_tui.runs.directory import RunDirectory, create_run, list_runs

NOON = 1763812800.0


def command(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def pages(home: Path) -> RunDirectory:
    return create_run(home, kind="dataset", name="pages", config_text="name: pages\n", now=NOON)


@pytest.fixture
def other(home: Path) -> RunDirectory:
    return create_run(home, kind="dataset", name="other", config_text="name: other\n", now=NOON)


def test_a_run_is_renamed(home: Path, pages: RunDirectory):
    renamed = json.loads(command("runs", "rename", "pages", "scans", "--json").stdout)
    (run,) = list_runs(home)
    assert renamed["id"] == run.id
    assert renamed["path"] == str(run.path)
    (listed,) = json.loads(command("runs", "--json").stdout)
    assert (listed["id"], listed["name"]) == (run.id, "scans")
    assert pages.id in command("runs", "rename", "scans", "pages").stdout
    command("runs", "rename", "pages", "a/b", code=2)
    command("runs", "rename", "nobody", "a", code=2)


def test_runs_are_archived_and_restored(pages: RunDirectory, other: RunDirectory):
    (answer,) = json.loads(command("runs", "archive", "pages", "--json").stdout)
    assert (answer["id"], answer["archived"]) == (pages.id, True)
    assert [run["id"] for run in json.loads(command("runs", "--json").stdout)] == [other.id]
    archived = json.loads(command("runs", "--archived", "--json").stdout)
    assert [run["id"] for run in archived] == [pages.id]
    assert "already archived" in command("runs", "archive", "pages").stdout
    command("runs", "archive", "--restore", "pages")
    assert len(json.loads(command("runs", "--json").stdout)) == 2


def test_deleting_needs_a_yes_and_says_what_it_frees(
    home: Path, pages: RunDirectory, other: RunDirectory
):
    size = sum(file.stat().st_size for file in pages.path.rglob("*") if file.is_file())
    for options in ((), ("--json",)):
        refused = command("runs", "delete", "pages", *options, code=2)
        assert refused.stdout == ""
        assert "--yes" in refused.stderr
    assert len(list_runs(home)) == 2
    deleted = json.loads(command("runs", "delete", "pages", pages.id, "--yes", "--json").stdout)
    assert [(run["id"], run["freed_bytes"]) for run in deleted] == [(pages.id, size)]
    assert list_runs(home) == [other]
    assert not pages.path.exists()
    # One that cannot be found: then the other is not deleted either.
    command("runs", "delete", "other", "pages", "--yes", code=2)
    assert list_runs(home) == [other]


def test_comparison_files_are_new_files(pages: RunDirectory, other: RunDirectory, tmp_path: Path):
    table, page = tmp_path / "runs.csv", tmp_path / "runs.html"
    arguments = ("runs", "compare", "pages", "other", "--csv", table, "--html", page, "--json")
    assert len(json.loads(command(*arguments).stdout)["runs"]) == 2
    assert pages.id in table.read_text()
    assert pages.id in page.read_text()
    refused = command(*arguments, code=2)
    assert (refused.stdout, "exists" in refused.stderr) == ("", True)
    command("runs", "compare", "pages", code=2)
    assert "state" in command("runs", "compare", "pages", "other").stdout


def test_a_dataset_run_has_nothing_to_clean(pages: RunDirectory):
    assert "no training run" in command("runs", "clean", "pages", "--dry-run", code=2).stderr
