"""Commands on runs of which one is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deepsynth_tui.cli import app
from deepsynth_tui.runs.directory import RunDirectory, create_run


def command(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def damaged(home: Path) -> RunDirectory:
    create_run(home, kind="training", name="good", config_text="")
    run = create_run(home, kind="training", name="bad", config_text="")
    run.status.write_bytes(b"[" * 100_000)
    run.measured.write_bytes(b"\0")
    return run


def test_list_has_a_row_with_the_reason(damaged: RunDirectory):
    lines = command("runs").stdout.splitlines()
    assert len(lines) == 2
    (line,) = (line for line in lines if damaged.id in line)
    assert "unreadable" in line
    assert "status.json is nested too deeply" in line


def test_json_has_a_row_with_the_reason(damaged: RunDirectory):
    rows = {row["name"]: row for row in json.loads(command("runs", "--json").stdout)}
    assert rows["good"]["state"] == "starting"
    assert rows["bad"]["state"] == "unreadable"
    assert "nested" in rows["bad"]["message"]
    assert rows["bad"]["comparison_problem"] == "measured.json is empty"


def test_commands_on_it_say_why(damaged: RunDirectory):
    damaged.console.write_text("last words\n")
    assert command("logs", damaged.id).stdout == "last words\n"
    assert "nested too deeply" in command("stop", damaged.id, code=1).stderr
    damaged.identity.write_bytes(b"{}")
    assert command("logs", damaged.id).stdout == "last words\n"
    assert "run.json has no valid" in command("runs").stdout
