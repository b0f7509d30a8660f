"""The loss on general text and pages, of the base and of an adapter at each strength.

The files are `general/<key>.json` beside the answers of an exam, so that they are computed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from deepsynth_tui.adapters.exam.run import Candidate
from deepsynth_tui.adapters.loaded import LoadedAdapters, collator_of
from deepsynth_tui.adapters.settings import base_config
from deepsynth_tui.adapters.strength.files import GeneralLoss, read_losses, write_losses
from deepsynth_tui.builtin import GENERAL
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.conversations.conversation import Conversation, image_part, text_part
from deepsynth_tui.dataset.draw_document import cached_renderer
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.samples import answer_logits

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.adapters.exam.files import ExamFolder
    from deepsynth_tui.config.training import TrainingConfig

PAGE = {"width": 256, "height": 128, "font_size": 14, "margin": 8, "line_spacing": 1.15}
"""The page of the demo: the builtin model reads it, and so does any larger one."""


@dataclass(frozen=True, slots=True)
class GeneralLosses:
    """Measures every candidate of an exam on the builtin set."""

    on_progress: Callable[[str], None]

    def is_needed(self, folder: ExamFolder, candidate: Candidate) -> bool:
        """Return whether the losses of a candidate are not in the folder yet."""
        return read_losses(folder, candidate.record.key, set_fingerprint()) is None

    def run(self, folder: ExamFolder, candidate: Candidate, loaded: LoadedAdapters) -> None:
        """Measure a candidate and write its losses."""
        self.on_progress(f"{candidate.record.name}: general text and pages")
        with candidate.switched_on(loaded) as model:
            losses = list(_losses(model, candidate.config))
        write_losses(folder, candidate.record.key, set_fingerprint(), losses)


def set_fingerprint() -> str:
    """Return the beginning of the SHA-256 of the builtin set."""
    return hashlib.sha256(GENERAL.read_bytes()).hexdigest()[:16]


def _losses(model: PeftModel | PreTrainedModel, config: TrainingConfig) -> Iterator[GeneralLoss]:
    """Yield the loss of each row. Pages are for models that read images."""
    collator = collator_of(base_config(config))
    # Each row has a question of its own, in place of the one of the run.
    data = collator.config.data.model_copy(update={"instruction": None})
    builder = ExampleBuilder(data, collator.reads_images, text_encoder=False)
    for number, row in enumerate(_rows(GENERAL)):
        kind: Literal["text", "page"] = row["kind"]
        if kind == "page" and not collator.reads_images:
            continue
        chat = collator.render(builder.build(_conversation(f"{kind} {number}", row)))
        inputs = collator.encode([chat.last_turn()])
        logits = answer_logits(model, inputs, collator.config)
        labels = inputs["labels"][0, 1:]
        labels = labels[labels != -100]
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        right = int((logits.argmax(-1) == labels).sum())
        yield GeneralLoss(f"{kind} {number}", kind, loss.item(), len(labels), right)


def _rows(file: Path) -> Sequence[Mapping[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _conversation(name: str, row: Mapping[str, Any]) -> Conversation:
    is_page = row["kind"] == "page"
    question = [*([image_part()] if is_page else []), text_part(row["question"])]
    images = [{"bytes": _draw(row["answer"]), "path": None}] if is_page else []
    return Conversation(
        row_id=name,
        messages=[
            {"role": "user", "content": question},
            {"role": "assistant", "content": [text_part(row["answer"])]},
        ],
        images=images,
    )


def _draw(text: str) -> bytes:
    config = DatasetConfig.model_validate(
        {"kind": "dataset", "source": {"path": "general"}, "page": PAGE}
    )
    (page,) = cached_renderer(config).render(text, "general").pages
    return page.image
