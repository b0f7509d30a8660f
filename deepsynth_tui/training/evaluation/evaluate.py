"""Evaluate a model on a whole dataset.

`python -m deepsynth_tui.training.evaluation.evaluate CONFIG OUT`

Generates the last answer of every row as the evaluations of a run do, and writes metrics and
answers to OUT as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.config.load import load_file
from deepsynth_tui.training.environment import number_gpus_by_bus
from deepsynth_tui.training.silence_libraries import silence_libraries

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

log = logging.getLogger("deepsynth_tui.training.evaluation.evaluate")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The target of a row and the output of the model."""

    row: str
    target: str
    output: str


def predict(config: TrainingConfig) -> Iterator[Prediction]:
    """Yield the answer of `config.model` to every row of `config.data`, shorter ones first.

    Raises as `load_model_and_processor` and `load_split`.
    """
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_split
    from deepsynth_tui.training.evaluation.generate import answer_limit, generate_answers
    from deepsynth_tui.training.modeling.load import load_model_and_processor

    data = config.data.model_copy(update={"learn_turns": "last"})  # the answer to generate
    config = config.model_copy(update={"data": data})
    base = load_model_and_processor(config)
    rows = load_split(config, images=base.reads_images).train
    collator = Collator(base, config)
    chats = [collator.render(rows[position]) for position in range(len(rows))]
    max_new_tokens = [answer_limit(collator, chat) for chat in chats]
    order = sorted(range(len(chats)), key=max_new_tokens.__getitem__)
    batch_size = config.training.per_device_eval_batch_size
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        outputs = generate_answers(
            base.model,
            collator,
            [chats[i] for i in batch],
            max_new_tokens=[max_new_tokens[i] for i in batch],
        )
        log.info("%d of %d answers", start + len(batch), len(order))
        for i, output in zip(batch, outputs, strict=True):
            target = chats[i].example.answer
            yield Prediction(chats[i].row_id, target.strip(), output.text.strip())


def compute_metrics(predictions: list[Prediction]) -> dict[str, float | int]:
    """Return the character error rate with its 95 % interval, and the share of exact matches."""
    from deepsynth_tui.training.evaluation.metrics import character_errors, error_rate_interval

    targets = [prediction.target for prediction in predictions]
    errors = character_errors(targets, [prediction.output for prediction in predictions])
    lengths = [len(target) for target in targets]
    low, high = error_rate_interval(errors, lengths)
    return {
        "documents": len(predictions),
        "characters": sum(lengths),
        "errors": sum(errors),
        "cer": sum(errors) / sum(lengths),
        "cer_low": low,
        "cer_high": high,
        "exact": sum(error == 0 for error in errors) / len(errors),
    }


def main() -> None:
    """Read the configuration, evaluate, and write the results."""
    from deepsynth_tui.config.training import TrainingConfig

    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.evaluation.evaluate")
    parser.add_argument("config", type=Path, help="training configuration: its model and data")
    parser.add_argument("out", type=Path, help="JSON file for metrics and answers")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    number_gpus_by_bus()
    silence_libraries()
    config = load_file(arguments.config).config
    if not isinstance(config, TrainingConfig):
        parser.error(f"{arguments.config} is of kind {config.kind}, not training")
    predictions = list(predict(config))
    results = {
        **compute_metrics(predictions),
        "answers": [asdict(prediction) for prediction in predictions],
    }
    text = json.dumps(results, indent=1, ensure_ascii=False)
    arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
