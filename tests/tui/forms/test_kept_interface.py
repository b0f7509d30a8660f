"""The settings of the interface that a start reads in place of importing pydantic and yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.config.interface import InterfaceSettings
from deepsynth_tui.config.locations import HOME_VARIABLE, cache_dir
from deepsynth_tui.tui.forms import kept_interface
from deepsynth_tui.tui.forms.kept_interface import FILE_NAME, read_interface

START = """
import sys
from pathlib import Path
from deepsynth_tui.tui.app import DeepsynthApp
home = Path(sys.argv[1])
app = DeepsynthApp(home, settings_file=home / "interface.yaml")
print(sorted({"pydantic", "yaml"} & set(sys.modules)))
print(app.theme, app.takes_mouse, app.notification_seconds, app.keymap, app.settings_problems)
print(app.settings.model_dump())
"""
TEXT = "theme: light\nmouse: false\nnotification_seconds: 30\nkeymap: {runs.sort: K}\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of the settings in a home of its own, with `TEXT` in it."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    path = tmp_path / "interface.yaml"
    path.write_text(TEXT)
    return path


def test_the_second_start_imports_neither_pydantic_nor_yaml(file: Path) -> None:
    starts = []
    for imported in ("['pydantic', 'yaml']", "[]"):
        shown = subprocess.run(
            [sys.executable, "-c", START, str(file.parent)],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=True,
        )
        first, *rest = shown.stdout.splitlines()
        assert first == imported
        starts.append(rest)
    assert starts[0] == starts[1]
    assert starts[0][0] == "deepsynth-light False 30 {'runs.sort': 'K'} ()"


def test_a_changed_file_is_checked_again(file: Path) -> None:
    assert read_interface(file).values["theme"] == "light"
    file.write_text("theme: ansi-dark\n")
    read = read_interface(file)
    assert read.values == InterfaceSettings(theme="ansi-dark").model_dump()
    file.unlink()
    assert read_interface(file).values == InterfaceSettings().model_dump()


def test_a_file_with_problems_is_not_kept(file: Path) -> None:
    file.write_text("theme: pink\nmouse: false\n")
    for _ in range(2):
        read = read_interface(file)
        assert [problem.key for problem in read.problems] == ["theme"]
        assert (read.values["theme"], read.values["mouse"]) == ("auto", False)
    assert not (cache_dir() / FILE_NAME).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sources": {}, "values": {}}'])
def test_a_damaged_cache_is_made_again(file: Path, text: str) -> None:
    kept_in = cache_dir() / FILE_NAME
    kept_in.parent.mkdir()
    kept_in.write_text(text)
    assert read_interface(file).values["theme"] == "light"
    sources = kept_interface.file_states([file, *kept_interface.source_files()])
    assert kept_interface._load(kept_in, sources) == read_interface(file).values


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(file: Path) -> None:
    cache_dir().write_text("a file in place of the folder")
    assert read_interface(file).values["theme"] == "light"
