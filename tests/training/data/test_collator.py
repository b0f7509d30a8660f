"""Only the answer has labels, padding changes nothing, and no row is ever truncated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.data.lengths import RowLengths, TokenCounter
from deepsynth_tui.training.data.too_long_rows import limit_row_length
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import configuration
from tests.training.small_datasets import INSTRUCTION, example, row, write
from tests.training.small_models import IMAGE_TOKENS, language_model


def _collator(values: dict[str, Any], **changes: Any) -> Collator:
    config = configuration(values, **changes)
    return Collator(load_model_and_processor(config), config)


def _batch(collator: Collator, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return collator([example(collator, row, index=i) for i, row in enumerate(rows)])


def test_labels_are_the_answer_and_its_end(values: dict[str, Any]) -> None:
    collator = _collator(values)
    rows = [row(0), row(1) | {"target": "a much longer answer than the other"}]
    batch = _batch(collator, rows)

    decode: Any = collator.tokenizer.decode
    for i, dataset_row in enumerate(rows):
        learned = batch["labels"][i][batch["labels"][i] != IGNORE_INDEX]
        assert decode(learned) == dataset_row["target"] + "<|im_end|>\n"
        tokens = batch["input_ids"][i][batch["attention_mask"][i].bool()]
        assert decode(tokens).endswith(
            f"{INSTRUCTION}<|im_end|>\n<|im_start|>assistant\n{decode(learned)}"
        )
        image = collator.tokenizer.get_vocab()["<image>"]
        assert int((tokens == image).sum()) == IMAGE_TOKENS
    padding = ~batch["attention_mask"].bool()
    assert bool((batch["labels"][padding] == IGNORE_INDEX).all())
    assert batch[ROW_IDS] == ["row 0 (document doc-0)", "row 1 (document doc-1)"]


def test_the_loss_does_not_depend_on_the_batch(values: dict[str, Any]) -> None:
    """Padding and other rows do not change the loss of a row."""
    collator = _collator(values)
    model = load_model_and_processor(collator.config).model
    rows = [row(0), row(1) | {"target": "a much longer answer than the other"}]

    def loss(batch: dict[str, Any]) -> float:
        inputs = {name: value for name, value in batch.items() if name != ROW_IDS}
        with torch.no_grad():
            return float(model(**inputs).loss)

    counts = [int((_batch(collator, [row])["labels"] != IGNORE_INDEX).sum()) for row in rows]
    apart = sum(loss(_batch(collator, [row])) * n for row, n in zip(rows, counts, strict=True))
    assert loss(_batch(collator, rows)) == pytest.approx(apart / sum(counts), rel=1e-4)


def test_a_model_without_chat_template_learns_to_end(
    values: dict[str, Any], tmp_path: Path
) -> None:
    folder = language_model(tmp_path / "model", chat_template=False)
    collator = _collator(values, model__name_or_path=str(folder))
    dataset_row = row(0)
    batch = _batch(collator, [dataset_row])

    decode = collator.tokenizer.decode
    labels = batch["labels"][0]
    assert decode(labels[labels != IGNORE_INDEX]) == dataset_row["target"] + "<|im_end|>"
    prompt = decode(batch["input_ids"][0][labels == IGNORE_INDEX])
    assert prompt == f"<|im_start|>{dataset_row['prompted_text']}\n\n{INSTRUCTION}\n"


def test_rows_that_are_too_long_are_refused_with_their_lengths(
    values: dict[str, Any], tmp_path: Path
) -> None:
    rows = [row(0), row(1) | {"target": "x" * 300}, row(2) | {"target": "y" * 400}]
    folder = write(tmp_path / "data", rows)
    collator = _collator(values, data__path=str(folder), data__max_length=200)
    loaded = load_split(collator.config, images=True).train

    counter = TokenCounter(collator)
    lengths = [counter.count(collator.render(example)) for example in loaded]
    with pytest.raises(TrainingError) as refused:
        limit_row_length(loaded, RowLengths(lengths), collator)
    exact = [collator.encode([collator.render(loaded[i])])["input_ids"].shape[1] for i in range(3)]
    assert f"row 2 (document doc-2): {exact[2]} tokens, row 1" in str(refused.value)
    assert "2 rows are longer than data.max_length (200" in str(refused.value)
    assert f"Raise data.max_length to {exact[2]}" in refused.value.advice
    with pytest.raises(TrainingError, match=r"longer than data\.max_length"):
        collator([loaded[1]])


def test_counted_lengths_are_exact(values: dict[str, Any]) -> None:
    collator = _collator(values)
    counter = TokenCounter(collator)
    for dataset_row in (row(0), row(1), row(2, pages=3), row(3, pages=3, side=80)):
        chat = collator.render(example(collator, dataset_row))
        assert counter.count(chat).tokens == collator.encode([chat])["input_ids"].shape[1]


def test_a_damaged_image_names_therow(values: dict[str, Any]) -> None:
    damaged = row(0) | {"images": [{"bytes": b"no image", "path": None}]}
    with pytest.raises(RowError, match=r"row 0 \(document doc-0\): an image cannot be decoded"):
        _batch(_collator(values), [damaged])
