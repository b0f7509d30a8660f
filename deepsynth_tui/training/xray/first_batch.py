"""The first batch of a run, taken apart: what the model reads of each row, and what it learns."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import set_seed

from deepsynth_tui.config.training import ModelSettings
from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.data.collator import IGNORED, Collator, Rendered
from deepsynth_tui.training.data.formats import Cut, cuttable, image_size
from deepsynth_tui.training.data.too_long_rows import fit_split
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.simulation.batch import image_token
from deepsynth_tui.training.text_encoder.placeholders import ROOM
from deepsynth_tui.training.trainer import DocumentTrainer
from deepsynth_tui.training.xray.image_features import Uncounted, VisionTower
from deepsynth_tui.training.xray.report import Kind, Page, Row, Span, Xray

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.dataset import Split

COUNTED = "counted by running the model's own vision tower on tensors without memory"
AS_STORED = ModelSettings()  # pages of whatever size
# Nothing of these matters to which rows come first, and a machine that only looks may lack them.
ORDER_ASIDE = {
    "report_to": "none",
    "bf16": False,
    "fp16": False,
    "optim": "adamw_torch",
    "dataloader_num_workers": 0,
}


def xray(
    config: TrainingConfig, batcher: Collator, split: Split, architecture: PreTrainedConfig
) -> Xray:
    """Make the first batch that the run will train on and look through it.

    Raises:
        TrainingError: a row of it cannot be used or is too long.
    """
    said: tuple[str, ...] = ()
    lengths: Sequence[int] | None = None
    by_length = config.training.train_sampling_strategy == "group_by_length"
    if by_length or config.data.on_too_long != "error":
        fitted = fit_split(split, batcher, report=lambda _: True)
        assert fitted is not None  # nobody asks it to stop
        split, said, lengths = fitted.split, fitted.said, fitted.lengths
    rows = first_rows(config, split, batcher.processor, lengths)
    rendered = [batcher.render(row) for row in rows]
    batch = batcher(rows)
    features, counted_by = _features(config, batcher, rendered, architecture)
    placeholder = image_token(architecture) if batcher.reads_images else None
    seen = [
        Row(
            row_id=one.row_id,
            template=one.prompt + one.answer,
            learned=_decoded(batcher, labels[labels != IGNORED]),
            spans=_spans(batcher, ids, mask, labels, soft, placeholder),
            pages=tuple(_page(stored, config.model) for stored in one.conversation.images),
            features=count,
            cut=_cut(row, batcher),
            instruction=one.conversation.instruction,
        )
        for row, one, count, ids, mask, labels, soft in zip(
            rows,
            rendered,
            features,
            batch["input_ids"],
            batch["attention_mask"],
            batch["labels"],
            batch.get(ROOM, torch.zeros_like(batch["input_ids"])),
            strict=True,
        )
    ]
    return Xray(
        model=config.model.name_or_path,
        processor=type(batcher.processor).__name__,
        template_of="declared here, the checkpoint has none" if batcher.template else "its own",
        shapes={n: tuple(v.shape) for n, v in batch.items() if isinstance(v, torch.Tensor)},
        rows=tuple(seen),
        counted_by=counted_by,
        notes=said,
    )


def first_rows(
    config: TrainingConfig, split: Split, processor: Any, lengths: Sequence[int] | None
) -> list[dict[str, Any]]:
    """The rows of the first batch, in the order in which the trainer itself takes them; `lengths`
    of all rows in tokens where that depends on them."""
    training = config.training.model_copy(update=ORDER_ASIDE)
    with tempfile.TemporaryDirectory(prefix="deepsynth-") as folder:
        arguments = training_arguments(
            config.model_copy(update={"training": training}),
            checkpoints=Path(folder),
            evaluates=False,
        )
        set_seed(training.seed)
        groups_by_length = training.train_sampling_strategy == "group_by_length"
        stand_in: Any = torch.nn.Linear(1, 1)  # the order has nothing to do with the model
        trainer = DocumentTrainer(
            model=stand_in,
            processor=processor,
            ranks=RankGroup(),
            group_by_lengths=lengths if groups_by_length else None,
            args=arguments,
            train_dataset=split.train,
            data_collator=list,
        )
        return next(iter(trainer.get_train_dataloader()))


def _features(
    config: TrainingConfig,
    batcher: Collator,
    rendered: Sequence[Rendered],
    architecture: PreTrainedConfig,
) -> tuple[list[int | None], str]:
    if not batcher.reads_images:
        return [0] * len(rendered), "none: the model reads no images"
    try:
        tower = VisionTower(architecture, config)
        return [tower.features(batcher.encode([one])) for one in rendered], COUNTED
    except Uncounted as error:
        return [None] * len(rendered), f"not counted: {error}"


def _spans(
    batcher: Collator,
    ids: torch.Tensor,
    mask: torch.Tensor,
    labels: torch.Tensor,
    soft: torch.Tensor,
    placeholder: int | None,
) -> tuple[Span, ...]:
    """Neighbouring tokens of one kind, (tokens,) each; of those without text, that of one."""

    def kind(position: int) -> Kind:
        if not mask[position]:
            return "padding"
        if soft[position]:
            return "soft"
        if ids[position] == placeholder:
            return "image"
        return "masked" if labels[position] == IGNORED else "learned"

    spans = []
    for one, run in groupby(range(len(ids)), key=kind):
        positions = list(run)
        shown = positions if one in ("masked", "learned") else positions[:1]
        spans.append(Span(one, len(positions), _decoded(batcher, ids[shown])))
    return tuple(spans)


def _page(stored: Any, model: ModelSettings) -> Page:
    return Page(image_size(stored, AS_STORED), image_size(stored, model))


def _cut(row: Mapping[str, Any], batcher: Collator) -> str:
    cut: Cut | None = row.get(Cut.KEY)
    if cut is None:
        return ""
    whole = {name: value for name, value in row.items() if name != Cut.KEY}
    _, text = cuttable(
        whole,
        batcher.config.data,
        images=cut.part == "answer",
        encoded=batcher.instructions is not None,
    )
    return f"of the {cut.part} {cut.characters} of {len(text)} characters are left"


def _decoded(batcher: Collator, ids: torch.Tensor) -> str:
    return str(batcher.tokenizer.decode(ids))
