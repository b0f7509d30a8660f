"""Evaluate a model on a whole dataset.

`python -m deepsynth_tui.training.evaluation.evaluate CONFIG OUT`


Every row is answered as in the evaluations of a run. What comes of it is one JSON object in OUT.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.config.load import load_file
from deepsynth_tui.training.silence_libraries import silence_libraries

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

log = logging.getLogger("deepsynth_tui.training.evaluation.evaluate")


@dataclass(frozen=True, slots=True)
class Answered:
    """A row of the exam: what was wanted and what came."""

    row: str
    target: str
    output: str


def examine(config: TrainingConfig) -> Iterator[Answered]:
    """Yield the answer of `config.model` to every row of `config.data`, shorter ones first.

    Raises as `load_base` and `load_rows`.
    """
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_rows
    from deepsynth_tui.training.evaluation.answer_scorer import ROOM
    from deepsynth_tui.training.evaluation.generate import answers
    from deepsynth_tui.training.modeling.load import load_base

    base = load_base(config)
    rows = load_rows(config.data, images=base.reads_images).train
    batcher = Collator(base, config)
    rendered = [batcher.render(rows[index]) for index in range(len(rows))]
    most = [math.ceil(ROOM * len(batcher.answer_tokens(one))) for one in rendered]
    order = sorted(range(len(rendered)), key=most.__getitem__)
    size = config.training.per_device_train_batch_size
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        new_tokens = [most[index] for index in chosen]
        made = answers(base.model, batcher, [rendered[i] for i in chosen], new_tokens=new_tokens)
        log.info("%d of %d answered", start + len(chosen), len(order))
        for index, output in zip(chosen, made, strict=True):
            yield Answered(
                rendered[index].row_id, rendered[index].conversation.answer.strip(), output.strip()
            )


def marks(answered: list[Answered]) -> dict[str, float | int]:
    """Return the figures of an exam: the character error rate with its 95 % interval over the
    documents, and the share of answers without any error."""
    from deepsynth_tui.training.evaluation.metrics import character_errors, error_interval

    targets = [one.target for one in answered]
    errors = character_errors(targets, [one.output for one in answered])
    lengths = [len(target) for target in targets]
    low, high = error_interval(errors, lengths)
    return {
        "documents": len(answered),
        "characters": sum(lengths),
        "errors": sum(errors),
        "cer": sum(errors) / sum(lengths),
        "cer_low": low,
        "cer_high": high,
        "exact": sum(error == 0 for error in errors) / len(errors),
    }


def main() -> None:
    """Read the configuration, examine, write."""
    from deepsynth_tui.config.training import TrainingConfig

    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.evaluation.evaluate")
    parser.add_argument("config", type=Path, help="a training configuration: its model and data")
    parser.add_argument("out", type=Path, help="JSON file for figures and answers")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    silence_libraries()
    config = load_file(given.config).config
    if not isinstance(config, TrainingConfig):
        parser.error(f"{given.config} is of kind {config.kind}, not training")
    answered = list(examine(config))
    said = {**marks(answered), "answers": [asdict(one) for one in answered]}
    given.out.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
