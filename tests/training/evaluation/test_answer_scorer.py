"""Answers generated at each evaluation: their scores, and that they do not affect training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.evaluation.generate import evaluation_mode, generate_answers
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import example, row, write

EVALUATED: dict[str, Any] = {
    "data__eval_fraction": 0.3,
    "training__eval_steps": 2,
    "training__max_steps": 6,
    "lora__lora_dropout": 0.3,
}


@pytest.mark.parametrize("reads_images", [True, False])
def test_answers_do_not_depend_on_the_batch(
    values: dict[str, Any], language_model: Path, reads_images: bool
) -> None:
    """The padding of prompts of different lengths does not matter."""
    changes = {} if reads_images else {"model__name_or_path": str(language_model)}
    config = configuration(values, **changes)
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    rows: list[Any] = [row(number, pages=1 + number % 2) for number in range(3)]
    questions = ["Say it.", "And what colour would you say that this page here has?", "?"]
    for dataset_row, instruction in zip(rows, questions, strict=True):
        dataset_row["messages"][0]["content"][-1]["text"] = instruction
    chats = [collator.render(example(collator, dataset_row)) for dataset_row in rows]

    limits = [12, 5, 9]
    together = generate_answers(base.model, collator, chats, max_new_tokens=limits)
    apart = [
        generate_answers(base.model, collator, [chat], max_new_tokens=[limit])[0]
        for chat, limit in zip(chats, limits, strict=True)
    ]
    assert together == apart
    assert len(set(together)) > 1


def test_evaluation_mode_restores_mode_and_random_numbers(values: dict[str, Any]) -> None:
    model = load_model_and_processor(configuration(values)).model.train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with evaluation_mode(model):
        assert not model.training
        torch.rand(7)
    assert model.training
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
def test_training_is_the_same_with_and_without_answers(run: Run) -> None:
    """To the bit, even with dropout, which draws random numbers in every step."""
    evaluated = EVALUATED | {"training__eval_on_start": True}
    with_answers = run(**evaluated)
    without = run(**evaluated, training__generate_eval_samples=0)

    assert with_answers.losses == without.losses
    assert "answers" in {event.data["unit"] for event in with_answers.of("progress")}
    assert "answers" not in {event.data["unit"] for event in without.of("progress")}
    held_out = [
        [e.data["eval_loss"] for e in ran.of("metric") if "eval_loss" in e.data]
        for ran in (with_answers, without)
    ]
    assert held_out[0] == held_out[1]
    scored = [e.data for e in with_answers.of("metric") if "eval_cer" in e.data]
    assert [data["step"] for data in scored] == [0, 2, 4, 6]
    assert all(0 <= data["eval_rouge_l"] <= 1 and data["eval_cer"] > 0 for data in scored)
    assert not [e for e in without.of("metric") if "eval_cer" in e.data]
    during = [e.data for e in with_answers.of("sample") if e.data["when"] == "during"]
    assert [data["step"] for data in during] == [2, 2, 4, 4, 6, 6]
    assert during[0]["target"] == during[2]["target"]
    assert "eval_cer" in with_answers.of("done")[-1].data


@pytest.mark.slow
def test_a_model_that_has_learned_makes_no_error(run: Run, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [row(n) | {"target": "read it all"} for n in range(10)])
    ran = run(
        **EVALUATED | {"training__max_steps": 45, "training__eval_steps": 15},
        data__path=str(folder),
        lora__r=16,
    )
    scored = [e.data for e in ran.of("metric") if "eval_cer" in e.data]
    assert scored[0]["eval_cer"] > 0.1
    assert scored[0]["eval_exact_match"] < 1
    learned = scored[-1]
    assert (learned["eval_cer"], learned["eval_rouge_l"]) == (0.0, 1.0)
    assert learned["eval_exact_match"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "best"), [("eval_cer", min), ("eval_rouge_l", max), ("eval_exact_match", max)]
)
def test_the_best_weights_by_another_metric_are_kept(run: Run, metric: str, best: Any) -> None:
    ran = run(
        **EVALUATED | {"training__eval_steps": 1, "training__learning_rate": 0.03},
        training__save_steps=1,
        training__load_best_model_at_end=True,
        training__metric_for_best_model=metric,
    )
    assert ran.verdict == "completed", ran.failure
    scored = [e.data for e in ran.of("metric") if metric in e.data][:6]
    wanted = best(scored, key=lambda data: data[metric])  # the first of equals, as transformers
    metrics = json.loads((ran.run.adapter / "deepsynth.json").read_text())["metrics"]
    assert metrics["kept_step"] == wanted["step"]
    assert metrics["eval_loss"] == pytest.approx(wanted["eval_loss"])
    assert metrics[metric] == pytest.approx(wanted[metric])


def test_a_metric_of_answers_that_are_not_generated_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="no answers are generated"):
        configuration(
            values,
            training__generate_eval_samples=0,
            training__metric_for_best_model="eval_cer",
        )
