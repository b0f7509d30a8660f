"""Adapters are found by their files, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.listing import (
    Adapter,
    Unreadable,
    adapters_below,
    adapters_of_runs,
    usable,
)
from deepsynth_tui.runs.directory import create_run


def _adapter(folder: Path, **lineage: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stated = {"base_model_name_or_path": "org/base", "r": 8}
    (folder / "adapter_config.json").write_text(json.dumps(stated))
    (folder / "adapter_model.safetensors").write_bytes(b"x" * 100)
    if lineage:
        (folder / "deepsynth.json").write_text(json.dumps(lineage))
    return folder


def test_foreign_adapter(tmp_path: Path) -> None:
    folder = _adapter(tmp_path / "theirs")
    assert adapters_below(tmp_path) == [Adapter(folder, "theirs", "org/base", 8, 100)]


def test_lineage_is_read(home: Path) -> None:
    run = create_run(home, kind="training", name="mine", config_text="kind: training\n")
    _adapter(
        run.adapter,
        config={"name": "mine"},
        base={"name": "builtin:tiny-vlm"},
        created="2026-01-01T00:00:00Z",
        metrics={"last_loss": 1.5},
    )
    create_run(home, kind="training", name="nothing-yet", config_text="kind: training\n")

    (found,) = usable(adapters_of_runs(home))
    assert (found.name, found.base, found.last_loss) == ("mine", "builtin:tiny-vlm", 1.5)
    assert found.created == "2026-01-01T00:00:00Z"


def test_half_an_adapter_is_shown_as_such(tmp_path: Path) -> None:
    (_adapter(tmp_path / "torn") / "adapter_model.safetensors").unlink()
    (found,) = adapters_below(tmp_path)
    assert isinstance(found, Unreadable)
    assert "adapter_model.safetensors" in found.reason
    assert list(usable([found])) == []
