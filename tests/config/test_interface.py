"""The file with the settings of the interface: nothing in it is an error that stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.config.interface import InterfaceSettings, load_interface


def test_a_missing_file_holds_no_settings(tmp_path: Path) -> None:
    loaded = load_interface(tmp_path / "interface.yaml")
    assert (loaded.settings, loaded.problems) == (InterfaceSettings(), ())


@pytest.mark.parametrize(
    ("text", "settings", "messages"),
    [
        ("", {}, []),
        ("theme: light # mine\n", {"theme": "light"}, []),
        ("keymap: {monitor.stop: x}", {"keymap": {"monitor.stop": "x"}}, []),
        ("theme: {\n", {}, ["invalid YAML"]),
        ("- theme\n", {}, ["invalid YAML"]),
        ("theme: blue\nmouse: false\n", {"mouse": False}, [":1: theme: must be one of auto"]),
        ("mouse: 0\nasci: always\n", {}, ["mouse: must be true or false", "did you mean ascii?"]),
        ("keymap: [x]\n", {}, [":1: keymap: must be"]),
        ("keymap: {monitor.stop: 3}\n", {}, ["keymap: must be"]),
        ("notification_seconds: 0\n", {}, ["must be a whole number"]),
        ("theme: dark\ntheme: light\n", {"theme": "light"}, ["is set more than once (keep one)"]),
    ],
)
def test_what_is_valid_is_used_and_the_rest_is_said(
    tmp_path: Path, text: str, settings: dict[str, object], messages: list[str]
) -> None:
    path = tmp_path / "interface.yaml"
    path.write_text(text)
    loaded = load_interface(path)
    assert loaded.settings == InterfaceSettings.model_validate(settings)
    assert len(loaded.problems) == len(messages)
    for problem, message in zip(map(str, loaded.problems), messages, strict=True):
        assert message in problem
        assert str(path) in problem


def test_bytes_and_folders_are_said(tmp_path: Path) -> None:
    path = tmp_path / "interface.yaml"
    path.write_bytes(b"theme: \xff")
    assert "the file is not UTF-8 text" in str(load_interface(path).problems[0])
    assert "cannot be read: Is a directory" in str(load_interface(tmp_path).problems[0])
