"""The export of any dataset from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from deepsynth_tui.conversations.dataset import read
from tests.cli.test_commands import command
from tests.training.small_datasets import row, write


def test_an_exported_dataset_is_read_as_the_same_conversations(tmp_path: Path) -> None:
    pages = write(tmp_path / "pages", [row(n) for n in range(3)])
    out = tmp_path / "exported"
    printed = command("export", pages, "--to", "llamafactory", "--output", out, "--json").stdout
    report = json.loads(printed)
    assert report["written"] == {"train": 3}
    original, exported = (list(read(str(path))) for path in (pages, out))
    assert [c.messages for c in exported] == [c.messages for c in original]
    assert "already exists" in command("export", pages, "--to", "qwen", "-o", out, code=1).stderr


def test_bad_rows_are_refused_or_skipped_and_named(tmp_path: Path) -> None:
    rows = [
        {"question": "?", "answer": "a", "image": "missing.png"},
        {"question": "?", "answer": "b"},
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    refused = command("export", source, "--to", "trl", "-o", out, code=1).stderr
    assert "row 0 (rows.jsonl:1): there is no image missing.png" in refused
    assert not out.exists()
    done = command("export", source, "--to", "trl", "-o", out, "--skip-bad-rows")
    assert "left out: row 0" in done.stderr
    assert "train 1 rows" in done.stdout


@pytest.mark.parametrize("path", ["nowhere", "nowhere/rows.jsonl"])
def test_a_dataset_that_does_not_exist(tmp_path: Path, path: str) -> None:
    stderr = command(
        "export", tmp_path / path, "--to", "trl", "-o", tmp_path / "out", code=1
    ).stderr
    assert path in stderr
    assert "Traceback" not in stderr


def test_a_configuration_is_exported_as_a_task_of_skypilot(tmp_path: Path) -> None:
    pages = write(tmp_path / "pages", [row(n) for n in range(3)])
    config, out = tmp_path / "a.yaml", tmp_path / "task.yaml"
    config.write_text(
        "kind: training\nname: a\nmodel: {name_or_path: builtin:tiny-vlm}\n"
        f"data: {{path: {pages}}}\n"
    )
    refused = command("export", config, "--to", "skypilot", "-o", out, "--split", "train", code=2)
    assert "--split does not go with a configuration" in refused.stderr
    options = ("--bucket", "s3://mine/runs", "--set", "training.num_processes=2", "--json")
    written = json.loads(command("export", config, "--to", "skypilot", "-o", out, *options).stdout)
    assert "L4:2" in written["accelerators"]
    task = yaml.safe_load(out.read_text())
    assert task["file_mounts"]["~/deepsynth/bucket"]["source"] == "s3://mine/runs"
    assert task["file_mounts"]["~/deepsynth/files/0/pages"] == str(pages)
