"""Names for which no process is started while they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.tui.forms.half_typed import is_half_typed, is_missing_folder


@pytest.mark.parametrize("name", ["", "Q", "Qwen", "Qwen/"])
def test_a_hub_id_is_whole_once_it_has_owner_and_name(name: str) -> None:
    assert is_half_typed(name)
    assert not is_half_typed("Qwen/Q")


def test_paths_and_builtin_models_are_no_half_typed_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    for name in ("model", "./mod", "~/models", str(tmp_path), "builtin:tiny-vlm"):
        assert not is_half_typed(name), name
    assert is_missing_folder("./mod")
    assert not is_missing_folder(str(tmp_path))
    assert not is_missing_folder("owner/name")
