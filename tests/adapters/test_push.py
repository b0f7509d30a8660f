"""Adapters are uploaded to a local server that imitates the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from tests.adapters.adapter_files import linear, of_rank, write
from tests.training.result.test_publish import Hub, hub

__all__ = ["hub"]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = write(tmp_path / "a", linear(0, *of_rank(4, 2)), r=4)
    (folder / "README.md").write_text("---\nlibrary_name: peft\n---\n")
    (folder / "optimizer.pt").write_bytes(b"pickle")
    return folder


def push(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", "push", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_files_of_an_adapter_are_uploaded(hub: Hub, adapter: Path) -> None:
    code, output, errors = push(str(adapter), "--repo", "owner/name", "--json")
    assert code == 0, errors
    assert json.loads(output)["url"].endswith("/owner/name/commit/abc")
    (request,) = hub.created
    assert request["visibility"] == "private"
    (files,) = hub.commits
    assert files.keys() == {"adapter_config.json", "adapter_model.safetensors", "README.md"}


@pytest.mark.parametrize(
    ("repo", "public", "full", "reason"),
    [
        ("name", False, False, "no id on the Hub"),
        ("owner/name", True, False, "is public"),
        ("owner/name", False, True, "Storage limit"),
    ],
)
def test_a_refused_upload_says_why(
    hub: Hub, adapter: Path, repo: str, public: bool, full: bool, reason: str
) -> None:
    hub.private, hub.full = not public, full
    code, output, errors = push(str(adapter), "--repo", repo)
    assert (code, output) == (1, "")
    assert reason in errors
    assert "output.hub_model_id" not in errors
    assert not hub.commits
