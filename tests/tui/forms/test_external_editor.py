"""A text in an editor outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.tui.forms.external_editor import EditorError, edit_text, editor_command


def test_visual_comes_before_editor_and_may_have_arguments() -> None:
    environment = {"VISUAL": "code --wait", "EDITOR": "nano"}
    assert editor_command(environment) == ["code", "--wait"]
    assert editor_command({"VISUAL": " ", "EDITOR": "nano"}) == ["nano"]


def test_a_text_comes_back_as_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\nprintf "more\\n\\n" >> "$1"\n')
    script.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(script))
    assert edit_text("Read.\n") == "Read.\nmore"


@pytest.mark.parametrize("command", ["no-such-editor", "false"])
def test_an_editor_that_fails_is_an_error(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", command)
    with pytest.raises(EditorError, match=command):
        edit_text("Read.")
