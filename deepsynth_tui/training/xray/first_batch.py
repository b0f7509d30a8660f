"""The first batch of a run token by token: what the model reads of each row, and what it learns."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import set_seed

from deepsynth_tui.conversations.page_image import stored_size
from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.data.collator import IGNORE_INDEX, Collator
from deepsynth_tui.training.data.pages import page_size
from deepsynth_tui.training.data.select_rows import select_rows
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.simulation.batch import image_token_id
from deepsynth_tui.training.text_encoder.placeholders import SOFT_TOKEN_MASK
from deepsynth_tui.training.trainer import DocumentTrainer
from deepsynth_tui.training.xray.image_features import FeatureCountError, VisionTower
from deepsynth_tui.training.xray.report import TokenKind, TokenSpan, Xray, XrayPage, XrayRow

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from deepsynth_tui.config.model import ModelSettings
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.conversations.conversation import StoredImage
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.dataset import Split
    from deepsynth_tui.training.data.example import Example

COUNTED_BY = "counted by running the model's own vision tower on fake tensors"
# These settings do not affect which rows come first, and this machine may not support them.
IRRELEVANT_TO_ORDER = {
    "report_to": "none",
    "bf16": False,
    "fp16": False,
    "optim": "adamw_torch",
}


def xray_first_batch(
    config: TrainingConfig, collator: Collator, split: Split, model_config: PreTrainedConfig
) -> Xray:
    """Make the first batch that the run trains on, and describe it.

    Raises:
        TrainingError: one of its rows cannot be used or is too long.
    """
    notes = split.notices
    description = split.description
    lengths: Sequence[int] | None = None
    by_length = config.training.train_sampling_strategy == "group_by_length"
    if by_length or config.data.on_too_long != "error" or config.data.bad_rows != "stop":
        selected = select_rows(split, collator, report=lambda _: True)
        assert selected is not None  # `report` never stops it
        split, lengths = selected.of(split), selected.lengths
        notes += selected.notes
    examples = first_batch(config, split, collator.processor, lengths)
    chats = [collator.render(example) for example in examples]
    batch = collator(examples)
    features, counted_by = _count_features(config, collator, chats, model_config)
    image_token = image_token_id(model_config) if collator.reads_images else None
    xray_rows = [
        XrayRow(
            row_id=chat.row_id,
            template=chat.prompt + chat.answer,
            learned=_decode(collator, labels[labels != IGNORE_INDEX]),
            spans=_spans(collator, ids, mask, labels, soft, image_token),
            pages=tuple(_page(stored, config.model) for stored in chat.example.images),
            features=count,
            cut=_truncation_text(chat.example),
            instruction=chat.example.instruction,
        )
        for chat, count, ids, mask, labels, soft in zip(
            chats,
            features,
            batch["input_ids"],
            batch["attention_mask"],
            batch["labels"],
            batch.get(SOFT_TOKEN_MASK, torch.zeros_like(batch["input_ids"])),
            strict=True,
        )
    ]
    return Xray(
        model=config.model.name_or_path,
        processor=type(collator.processor).__name__,
        template_of="built-in default, the checkpoint has none"
        if collator.chat_template.is_fallback
        else "its own",
        shapes={n: tuple(v.shape) for n, v in batch.items() if isinstance(v, torch.Tensor)},
        rows=tuple(xray_rows),
        counted_by=counted_by,
        notes=notes,
        dataset=description,
    )


def first_batch(
    config: TrainingConfig, split: Split, processor: Any, lengths: Sequence[int] | None
) -> list[Example]:
    """Return the examples of the first batch in the trainer's own order.

    `lengths` are the tokens of all rows, if the order depends on them.
    """
    training = config.training.model_copy(update=IRRELEVANT_TO_ORDER)
    with tempfile.TemporaryDirectory(prefix="deepsynth-") as folder:
        arguments = training_arguments(
            config.model_copy(update={"training": training}),
            checkpoints=Path(folder),
            evaluates=False,
        )
        set_seed(training.seed)
        groups_by_length = training.train_sampling_strategy == "group_by_length"
        any_model: Any = torch.nn.Linear(1, 1)  # the order does not depend on the model
        trainer = DocumentTrainer(
            model=any_model,
            processor=processor,
            ranks=RankGroup(),
            group_by_lengths=lengths if groups_by_length else None,
            args=arguments,
            train_dataset=split.train,
            data_collator=list,
        )
        return next(iter(trainer.get_train_dataloader()))


def _count_features(
    config: TrainingConfig,
    collator: Collator,
    chats: Sequence[RenderedChat],
    model_config: PreTrainedConfig,
) -> tuple[list[int | None], str]:
    """Return the image features of each row, and how they were counted or why not."""
    if not collator.reads_images:
        return [0] * len(chats), "none: the model reads no images"
    try:
        tower = VisionTower(model_config, config)
        return [tower.count_features(collator.encode([chat])) for chat in chats], COUNTED_BY
    except FeatureCountError as error:
        return [None] * len(chats), f"not counted: {error}"


def _spans(
    collator: Collator,
    ids: torch.Tensor,
    mask: torch.Tensor,
    labels: torch.Tensor,
    soft: torch.Tensor,
    image_token: int | None,
) -> tuple[TokenSpan, ...]:
    """Group the tokens of a row, (tokens,) each tensor, by kind.

    The text of image, soft and padding tokens is that of a single one.
    """

    def kind_at(position: int) -> TokenKind:
        if not mask[position]:
            return "padding"
        if soft[position]:
            return "soft"
        if ids[position] == image_token:
            return "image"
        return "masked" if labels[position] == IGNORE_INDEX else "learned"

    spans = []
    for kind, group in groupby(range(len(ids)), key=kind_at):
        positions = list(group)
        decoded = positions if kind in ("masked", "learned") else positions[:1]
        spans.append(TokenSpan(kind, len(positions), _decode(collator, ids[decoded])))
    return tuple(spans)


def _page(stored: StoredImage, model: ModelSettings) -> XrayPage:
    return XrayPage(stored_size(stored), page_size(stored, model))


def _truncation_text(example: Example) -> str:
    truncation = example.truncation
    if truncation is None:
        return ""
    kept, total = truncation.characters, truncation.total
    return f"the {truncation.part} is truncated to {kept} of {total} characters"


def _decode(collator: Collator, ids: torch.Tensor) -> str:
    return str(collator.tokenizer.decode(ids))
