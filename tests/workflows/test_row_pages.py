"""The pages of a row, drawn or stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.workflows.row_pages_server import row_pages


def _ask(config: DatasetConfig | TrainingConfig, index: int, columns: int = 30) -> dict[str, Any]:
    values = json.loads(config.model_dump_json())
    return row_pages({"config": values, "index": index, "columns": columns})


def test_a_document_is_drawn_at_the_width_that_was_asked_for() -> None:
    config = DatasetConfig.model_validate(
        {"source": {"path": "builtin:sample", "target_column": "summary", "max_samples": 2}}
    )
    first, last = _ask(config, 0), _ask(config, 1, columns=60)
    assert {len(line) for line in first["pages"][0]} == {30}
    assert {len(line) for line in last["pages"][0]} == {60}
    assert first["answer"]
    assert (first["is_last"], last["is_last"]) == (False, True)
    with pytest.raises(UserError, match="There is no row 3"):
        _ask(config, 2)


def test_an_empty_document_says_why_it_has_no_page(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": ""}\n')
    config = DatasetConfig.model_validate({"source": {"path": str(file)}})
    assert _ask(config, 0)["remarks"] == ("left out, empty text",)


def test_rows_of_any_dataset_are_shown_and_a_damaged_image_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (64, 32), "white").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    file = tmp_path / "rows.jsonl"
    file.write_text(
        '{"image": "a.png", "question": "What?", "answer": "Nothing."}\n'
        '{"image": "b.png", "question": "What?", "answer": "Nothing."}\n'
    )
    config = TrainingConfig.model_validate({"data": {"path": str(file)}})
    row = _ask(config, 0, columns=16)
    assert (row["question"], row["answer"], row["is_last"]) == ("What?", "Nothing.", False)
    assert row["remarks"] == ("64 x 32 px",)
    assert len(row["pages"][0]) == 4, "16 columns and 4 lines of 2 x 4 dots"
    damaged = _ask(config, 1)
    assert damaged["pages"] == ()
    assert "cannot be decoded" in damaged["remarks"][0]
