"""The changes of a configuration that can lower its memory, and what each costs the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.models.image_tokens import page_tokens

Kind = Literal[
    "attention", "checkpointing", "batch", "optimizer", "bits", "pixels", "adapters", "length"
]

BATCH = "training.per_device_train_batch_size"
ACCUMULATION = "training.gradient_accumulation_steps"
LENGTHS: tuple[int, ...] = fields_by_key(TrainingConfig)["data.max_length"].suggested
# Shares of a page's area that are tried. A quarter halves its edges; letters of usual print are
# hard to read below that.
AREAS = (0.75, 0.5, 0.375, 0.25)


class QualityCost(IntEnum):
    """What a change costs the result, least first: a judgement, not a measurement."""

    NOTHING = 0
    ROUNDED_STATE = 1
    ROUNDED_WEIGHTS = 2
    SMALLER_PAGES = 3
    OTHER_METHOD = 4
    REFUSED_ROWS = 5


EFFECTS = {
    QualityCost.NOTHING: "the result stays the same",
    QualityCost.ROUNDED_STATE: "the optimizer's state is rounded to 8 bits",
    QualityCost.ROUNDED_WEIGHTS: "the frozen weights are rounded to 4 bits",
    QualityCost.SMALLER_PAGES: "pages are read at a lower resolution",
    QualityCost.OTHER_METHOD: "adapters are trained instead of the weights themselves",
    QualityCost.REFUSED_ROWS: "longer rows are refused, and the dataset's lengths are not known",
}


@dataclass(frozen=True, slots=True)
class Tweak:
    """New values by dotted key, to be set together. `step` grows with how far a kind is taken."""

    kind: Kind
    values: Mapping[str, Any]
    words: str
    loss: QualityCost
    step: int = 0

    @property
    def cost(self) -> tuple[int, int]:
        """What orders changes: by loss, then by how far; all that cost nothing are alike."""
        return (self.loss, self.step if self.loss else 0)

    @property
    def effect(self) -> str:
        """What the change does to the result, in words."""
        return EFFECTS[self.loss]


def with_values(config: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """Return `config` with other values by dotted key (``section.field``), not checked."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, field = key.partition(".")
        sections.setdefault(section, {})[field] = value
    return config.model_copy(
        update={
            name: getattr(config, name).model_copy(update=fields)
            for name, fields in sections.items()
        }
    )


def list_tweaks(config: TrainingConfig, grounds: EstimateInputs) -> tuple[Tweak, ...]:
    """Every change worth trying, the mildest of a kind first."""
    return (
        *_same_result(config),
        *_batches(config),
        *_rounding(config),
        *_smaller_pages(config, grounds),
        *_shorter_rows(config, grounds),
    )


def _same_result(config: TrainingConfig) -> Iterator[Tweak]:
    if config.model.attn_implementation == "eager":
        values = {"model.attn_implementation": "sdpa"}
        yield Tweak("attention", values, "attention by SDPA", QualityCost.NOTHING)
    if not config.training.gradient_checkpointing:
        values = {"training.gradient_checkpointing": True}
        yield Tweak("checkpointing", values, "gradient checkpointing", QualityCost.NOTHING)
    if config.training.optim == "adamw_torch":
        values = {"training.optim": "adamw_torch_fused"}
        yield Tweak("optimizer", values, "the fused AdamW", QualityCost.NOTHING)


def _batches(config: TrainingConfig) -> Iterator[Tweak]:
    """Fewer rows at once, the batches added up so that each step sees as many as before."""
    rows = config.training.per_device_train_batch_size
    fewer = [count for count in range(rows - 1, 0, -1) if rows % count == 0]
    for step, count in enumerate(fewer):
        steps = config.training.gradient_accumulation_steps * rows // count
        plural = "rows" if count > 1 else "row"
        yield Tweak(
            "batch",
            {BATCH: count, ACCUMULATION: steps},
            f"{count} {plural} at once instead of {rows}, {steps} batches added up",
            QualityCost.NOTHING,
            step,
        )


def _rounding(config: TrainingConfig) -> Iterator[Tweak]:
    if config.training.optim in ("adamw_torch", "adamw_torch_fused", "paged_adamw_32bit"):
        values = {"training.optim": "adamw_8bit"}
        yield Tweak("optimizer", values, "the 8-bit AdamW", QualityCost.ROUNDED_STATE)
    quantization = config.quantization
    if not quantization.enabled or quantization.bits == 8:
        values = {"quantization.enabled": True, "quantization.bits": 4}
        yield Tweak("bits", values, "4-bit weights (QLoRA)", QualityCost.ROUNDED_WEIGHTS)
    if not config.lora.enabled:
        yield Tweak("adapters", {"lora.enabled": True}, "LoRA", QualityCost.OTHER_METHOD)


def _smaller_pages(config: TrainingConfig, grounds: EstimateInputs) -> Iterator[Tweak]:
    """Only where the number of image tokens follows the area of the page."""
    image, page = grounds.layout.image, grounds.dataset.page
    if image is None or image.rule != "pixels":
        return
    limit = config.model.max_pixels or image.max_pixels
    area = min(page.width * page.height, limit) if page and limit else limit
    token = (image.patch * image.merge) ** 2
    least = config.model.min_pixels or image.min_pixels
    for step, share in enumerate(AREAS):
        tokens = int(share * area) // token
        if tokens * token < max(least, token):
            return
        yield Tweak(
            "pixels",
            {"model.max_pixels": tokens * token},
            f"pages of at most {tokens * token:,} pixels ({tokens} tokens)",
            QualityCost.SMALLER_PAGES,
            step,
        )


def _shorter_rows(config: TrainingConfig, grounds: EstimateInputs) -> Iterator[Tweak]:
    """Only while no length is known: an estimate of known lengths is of the longest row."""
    if grounds.dataset.lengths:
        return
    image, page = grounds.layout.image, grounds.dataset.page
    least = page_tokens(page, image, config.model) if page and image else None
    shorter = [cap for cap in reversed(LENGTHS) if (least or 0) < cap < config.data.max_length]
    for step, cap in enumerate(shorter):
        words = f"rows of at most {cap} tokens"
        yield Tweak("length", {"data.max_length": cap}, words, QualityCost.REFUSED_ROWS, step)
