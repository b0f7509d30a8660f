"""Documents of several pages: the loss of a row does not depend on the other rows of its batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS, Collator
from deepsynth_tui.training.data.example import Example
from deepsynth_tui.training.data.lengths import TokenCounter
from deepsynth_tui.training.evaluation.generate import generate_answers
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.xray.image_features import VisionTower
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import example, row, write
from tests.training.small_models import qwen3_vl

PAGES = (1, 3, 0, 2)
SIDES = (64, 96, 64, 40)


@pytest.fixture(scope="module")
def models(vision_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"idefics3": vision_model, "qwen3_vl": qwen3_vl(tmp_path_factory.mktemp("qwen3-vl"))}


def _examples(collator: Collator) -> list[Example]:
    answers = ("yes", "a much longer answer than any of the others", "no", "perhaps")
    return [
        example(collator, row(number, pages=pages, side=side) | {"target": answer}, index=number)
        for number, (pages, side, answer) in enumerate(zip(PAGES, SIDES, answers, strict=True))
    ]


@pytest.mark.parametrize("family", ["idefics3", "qwen3_vl"])
def test_a_row_has_the_same_loss_alone_and_in_a_batch(
    values: dict[str, Any], models: dict[str, Path], family: str
) -> None:
    config = configuration(values, model__name_or_path=str(models[family]))
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    rows = _examples(collator)

    def losses(some: list[Example]) -> list[float]:
        batch = collator(some)
        inputs = {name: value for name, value in batch.items() if name != ROW_IDS}
        with torch.no_grad():
            logits: Any = base.model(**inputs).logits
        return [
            float(
                torch.nn.functional.cross_entropy(row[:-1], labels[1:], ignore_index=IGNORE_INDEX)
            )
            for row, labels in zip(logits, inputs["labels"], strict=True)
        ]

    together = losses(rows)
    alone = [losses([row])[0] for row in rows]
    assert together == pytest.approx(alone, rel=1e-4)
    assert losses(rows[::-1])[::-1] == pytest.approx(alone, rel=1e-4)


@pytest.mark.parametrize("family", ["idefics3", "qwen3_vl"])
def test_pages_are_counted_and_answered_alike(
    values: dict[str, Any], models: dict[str, Path], family: str
) -> None:
    config = configuration(values, model__name_or_path=str(models[family]))
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    chats = [collator.render(row) for row in _examples(collator)]
    architecture = AutoConfig.from_pretrained(models[family])
    tower, counter = VisionTower(architecture, config), TokenCounter(collator)

    for chat in chats:
        inputs = collator.encode([chat])
        assert counter.count(chat).tokens == inputs["input_ids"].shape[1]
        placeholders = int((inputs["input_ids"] == architecture.image_token_id).sum())
        assert tower.count_features(inputs) == placeholders
    together = generate_answers(base.model, collator, chats, max_new_tokens=[8] * len(chats))
    assert together == [
        generate_answers(base.model, collator, [o], max_new_tokens=[8])[0] for o in chats
    ]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["idefics3", "qwen3_vl"])
def test_documents_of_mixed_pages_are_learned(
    run: Run, tmp_path: Path, models: dict[str, Path], family: str
) -> None:
    folder = write(tmp_path / "data", [row(n, pages=1 + n % 3) for n in range(9)])
    ran = run(
        model__name_or_path=str(models[family]),
        data__path=str(folder),
        data__eval_fraction=0.2,
        training__per_device_train_batch_size=3,
        training__max_steps=12,
    )
    assert ran.verdict == "completed", ran.failure
    assert ran.losses[-1] < 0.9 * ran.losses[0]
    assert ran.of("done")[-1].data["verification"]["from_trained"] == 0
