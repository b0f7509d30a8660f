"""What the model sees: the answer and nothing else is learned, and nothing is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.training.data.collator import IGNORED, ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import POSITION, Rows, load_rows, split
from deepsynth_tui.training.data.formats import bounded, conversation
from deepsynth_tui.training.data.lengths import Lengths, count_lengths
from deepsynth_tui.training.data.too_long_rows import fit
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import load_base
from tests.training.conftest import configuration
from tests.training.small_datasets import INSTRUCTION, row, write
from tests.training.small_models import IMAGE_TOKENS, language_model


def _batcher(values: dict[str, Any], **changes: Any) -> Collator:
    config = configuration(values, **changes)
    return Collator(load_base(config), config)


def _row(number: int, **given: Any) -> dict[str, Any]:
    return row(number, **given) | {POSITION: number}


def test_labels_are_the_answer_and_its_end(values: dict[str, Any]) -> None:
    batcher = _batcher(values)
    rows = [_row(0), _row(1) | {"target": "a much longer answer than the other"}]
    batch = batcher(rows)

    decode: Any = batcher.tokenizer.decode
    for i, one in enumerate(rows):
        learned = batch["labels"][i][batch["labels"][i] != IGNORED]
        assert decode(learned) == one["target"] + "<|im_end|>\n"
        tokens = batch["input_ids"][i][batch["attention_mask"][i].bool()]
        assert decode(tokens).endswith(
            f"{INSTRUCTION}<|im_end|>\n<|im_start|>assistant\n{decode(learned)}"
        )
        image = batcher.tokenizer.get_vocab()["<image>"]
        assert int((tokens == image).sum()) == IMAGE_TOKENS
    padding = ~batch["attention_mask"].bool()
    assert bool((batch["labels"][padding] == IGNORED).all())
    assert batch[ROW_IDS] == ["row 0 (document doc-0)", "row 1 (document doc-1)"]


def test_the_loss_does_not_depend_on_the_batch(values: dict[str, Any]) -> None:
    """Padding and the rows beside it change nothing about a row's loss."""
    batcher = _batcher(values)
    model = load_base(batcher.config).model
    rows = [_row(0), _row(1) | {"target": "a much longer answer than the other"}]

    def loss(batch: dict[str, Any]) -> float:
        inputs = {name: value for name, value in batch.items() if name != ROW_IDS}
        with torch.no_grad():
            return float(model(**inputs).loss)

    counts = [int((batcher([one])["labels"] != IGNORED).sum()) for one in rows]
    apart = sum(loss(batcher([one])) * n for one, n in zip(rows, counts, strict=True))
    assert loss(batcher(rows)) == pytest.approx(apart / sum(counts), rel=1e-4)


def test_a_model_without_template_learns_to_end(values: dict[str, Any], tmp_path: Path) -> None:
    folder = language_model(tmp_path / "model", chat_template=False)
    batcher = _batcher(values, model__name_or_path=str(folder))
    one = _row(0)
    batch = batcher([one])

    decode = batcher.tokenizer.decode
    labels = batch["labels"][0]
    assert decode(labels[labels != IGNORED]) == one["target"] + "<|im_end|>"
    prompt = decode(batch["input_ids"][0][labels == IGNORED])
    assert prompt == f"<|im_start|>{one['prompted_text']}\n\n{INSTRUCTION}\n"


def test_too_long_a_row_is_refused_with_numbers(values: dict[str, Any], tmp_path: Path) -> None:
    rows = [row(0), row(1) | {"target": "x" * 300}, row(2) | {"target": "y" * 400}]
    folder = write(tmp_path / "data", rows)
    batcher = _batcher(values, data__path=str(folder), data__max_length=200)
    loaded = load_rows(batcher.config.data, images=True).train

    counted = count_lengths(loaded, batcher, report=lambda _: True)
    assert counted is not None
    with pytest.raises(TrainingError) as refused:
        fit(loaded, counted, batcher)
    exact = [batcher.encode([batcher.render(loaded[i])])["input_ids"].shape[1] for i in range(3)]
    assert f"row 2 (document doc-2): {exact[2]} tokens, row 1" in str(refused.value)
    assert "2 rows are longer than data.max_length (200" in str(refused.value)
    assert f"Raise data.max_length to {exact[2]}" in refused.value.advice
    with pytest.raises(TrainingError, match=r"longer than data\.max_length"):
        batcher([loaded[1]])


def test_counted_lengths_are_exact(values: dict[str, Any]) -> None:
    batcher = _batcher(values)
    lengths = Lengths(batcher)
    for one in (_row(0), _row(1), _row(2, pages=3), _row(3, pages=3, side=80)):
        rendered = batcher.render(one)
        assert lengths.of(rendered).tokens == batcher.encode([rendered])["input_ids"].shape[1]


def test_messages_and_columns(values: dict[str, Any]) -> None:
    data = configuration(values).data
    one = _row(0)
    told = conversation(one, data, images=True)
    assert told.question == [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": INSTRUCTION}]}
    ]

    without = conversation({**one, "messages": None}, data, images=True)
    assert (without.question, without.answer) == (told.question, one["target"])

    asked = data.model_copy(update={"instruction": "Hm?"})
    assert conversation(one, asked, images=True).question[0]["content"][-1]["text"] == "Hm?"

    single = {POSITION: 0, "page": one["images"][0], "answer": "yes"}
    named = data.model_copy(update={"image_column": "page", "target_column": "answer"})
    assert conversation(single, named, images=True).images == [one["images"][0]]

    read = conversation(one, data, images=False)
    assert read.images == []
    assert read.question[0]["content"][0]["text"].startswith(one["prompted_text"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": ""}, "row 0 .document doc-0.: the answer is empty"),
        ({"images": []}, "1 image parts in its messages, but 0 images"),
        (
            {"target": None, "messages": [{"role": "user", "content": "x"}]},
            "the last message is by user",
        ),
    ],
)
def test_unusable_rows_are_named(values: dict[str, Any], changed: dict, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        conversation(_row(0) | changed, configuration(values).data, images=True)


def test_a_damaged_image_is_an_error(values: dict[str, Any]) -> None:
    damaged = _row(0) | {"images": [{"bytes": b"no image", "path": None}]}
    with pytest.raises(TrainingError, match="cannot be decoded"):
        _batcher(values)([damaged])


def test_pixels_are_bounded(values: dict[str, Any]) -> None:
    model = configuration(values, model__min_pixels=100 * 100, model__max_pixels=200 * 200).model
    assert bounded((150, 150), model) == (150, 150)
    for size in ((1000, 500), (20, 40), (4000, 3)):
        width, height = bounded(size, model)
        assert width * height <= 200 * 200
        assert width * height >= 100 * 100 * 0.97
    assert bounded((400, 400), model) == (200, 200)


def test_split_keeps_documents_together() -> None:
    groups = [number // 3 for number in range(30)]
    train, held_out = split(groups, 0.2, seed=1)

    assert sorted(train + held_out) == list(range(30))
    assert len(held_out) == 6
    assert not {groups[i] for i in train} & {groups[i] for i in held_out}
    assert split(groups, 0.2, seed=1) == (train, held_out)
    assert split(groups, 0.2, seed=2) != (train, held_out)


def test_sample_limits(values: dict[str, Any]) -> None:
    config = configuration(
        values, data__eval_fraction=0.4, data__max_train_samples=3, data__max_eval_samples=2
    )
    loaded = load_rows(config.data, images=True)
    assert (len(loaded.train), len(loaded.held_out)) == (3, 2)
    assert isinstance(loaded.train, Rows)
    assert isinstance(loaded.train[0]["images"][0]["bytes"], bytes)  # not decoded yet
