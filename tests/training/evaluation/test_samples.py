"""The builtin model reads print, at any position of a batch and in the samples of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.builtin import TINY_VLM
from deepsynth_tui.conversations.conversation import text_part
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.example import Example, Truncation
from deepsynth_tui.training.evaluation.generate import answer_limit, generate_answers
from deepsynth_tui.training.evaluation.metrics import character_error_rate
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.builtin.drawn_pages import TEXTS
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import example, paper, write

pytestmark = pytest.mark.slow

MOST_ERRORS = 0.2  # of the characters; a model of random weights makes more errors than there are


def test_pages_of_a_batch_are_read(values: dict[str, Any]) -> None:
    config = configuration(values, model__name_or_path=TINY_VLM, data__instruction="Read.")
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    rows = [paper(number, text, "?") for number, text in enumerate(TEXTS)]
    chats = [collator.render(example(collator, row)) for row in rows]
    outputs = generate_answers(base.model, collator, chats, max_new_tokens=[160] * len(rows))
    assert character_error_rate(TEXTS, [answer.text for answer in outputs]) < MOST_ERRORS


def test_an_answer_is_cut_only_beyond_what_target_and_document_need(
    values: dict[str, Any],
) -> None:
    config = configuration(values, model__name_or_path=TINY_VLM)
    collator = Collator(load_model_and_processor(config), config)

    def limit(answer: str, document: str | None, truncation: Truncation | None = None) -> int:
        messages = [
            {"role": "user", "content": [text_part("?")]},
            {"role": "assistant", "content": [text_part(answer)]},
        ]
        example = Example("row", messages, [1], [], document=document, truncation=truncation)
        return answer_limit(collator, collator.render(example))

    # The tokenizer has a token per byte; the answer ends with one more.
    assert limit("a" * 999, None) == 1250
    assert limit("4.50", "x" * 100) == 125
    assert limit("4.50", "x" * 10_000) == 320
    assert limit("4.50", None) == 48
    assert limit("a" * 10, "x" * 100, Truncation("answer", 10, 20)) == 10


def test_samples_of_the_base_model_show_that_it_reads(run: Run, tmp_path: Path) -> None:
    rows = [paper(number, text, "4.50") for number, text in enumerate(TEXTS)]
    ran = run(
        model__name_or_path=TINY_VLM,
        data__path=str(write(tmp_path / "papers", rows)),
        data__instruction="Read.",
        training__max_steps=1,
    )
    before, _ = (event.data for event in ran.of("sample"))
    assert before["is_cut"] is False
    assert before["input"] in TEXTS
    assert character_error_rate([before["input"]], [before["output"]]) < MOST_ERRORS
