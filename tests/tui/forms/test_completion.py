"""Completion of paths, names and columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.tui.forms.completion import complete_name, complete_path, complete_placeholder


def test_files_and_folders_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters.csv").touch()
    (tmp_path / ".letters").touch()
    (tmp_path / "other").touch()
    assert complete_path(f"{tmp_path}/let") == [f"{tmp_path}/letters.csv", f"{tmp_path}/letters/"]
    assert complete_path(f"{tmp_path}/letters") == [], "Tab leaves a whole path"
    assert complete_path(f"{tmp_path}/.l") == [f"{tmp_path}/.letters"]
    assert complete_path(f"{tmp_path}/letters.csv") == []
    assert complete_path(f"{tmp_path}/") == [], "Tab leaves a folder that was completed"
    assert complete_path(f"{tmp_path}/nowhere/x") == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert complete_path("~/oth") == ["~/other"]
    monkeypatch.chdir(tmp_path)
    assert complete_path("oth") == ["other"]
    assert complete_path("") == []


def test_names_and_columns_are_completed() -> None:
    assert complete_name("tot", ["text", "total"]) == ["total"]
    assert complete_name("total", ["text", "total", "total_eur"]) == []
    columns = ["customer", "total", "text"]
    assert complete_placeholder("Total of {cus", columns) == ["Total of {customer}"]
    assert complete_placeholder("{", columns) == ["{customer}", "{total}", "{text}"]
    for text in ("Total of {customer}", "{{t", "Total", ""):
        assert complete_placeholder(text, columns) == []
