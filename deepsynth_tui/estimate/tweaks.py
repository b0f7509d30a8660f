"""Tweaks of a configuration that can lower its memory, and their cost in quality."""

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
    "attention",
    "checkpointing",
    "batch",
    "evaluation",
    "optimizer",
    "bits",
    "pixels",
    "adapters",
    "length",
]

BATCH = "training.per_device_train_batch_size"
EVALUATION = "training.per_device_eval_batch_size"
ACCUMULATION = "training.gradient_accumulation_steps"
LENGTHS: tuple[int, ...] = fields_by_key(TrainingConfig)["data.max_length"].suggested
# Fractions of a page's area to try. A quarter halves its edges; below that, text in a usual font
# size is hard to read.
AREA_FRACTIONS = (0.75, 0.5, 0.375, 0.25)


class QualityCost(IntEnum):
    """What a tweak costs in quality, lowest first: a judgement, not a measurement."""

    NOTHING = 0
    ROUNDED_STATE = 1
    ROUNDED_WEIGHTS = 2
    SMALLER_PAGES = 3
    OTHER_METHOD = 4
    REJECTED_ROWS = 5


# These texts and the `words` of the tweaks are part of ``estimate --json``.
EFFECTS = {
    QualityCost.NOTHING: "the result stays the same",
    QualityCost.ROUNDED_STATE: "the optimizer's state is rounded to 8 bits",
    QualityCost.ROUNDED_WEIGHTS: "the frozen weights are rounded to 4 bits",
    QualityCost.SMALLER_PAGES: "pages are read at a lower resolution",
    QualityCost.OTHER_METHOD: "adapters are trained instead of the weights themselves",
    QualityCost.REJECTED_ROWS: "longer rows are refused, and the dataset's lengths are not known",
}


@dataclass(frozen=True, slots=True)
class Tweak:
    """New values by dotted key, to be set together. `words` describe them.

    `strength` numbers the tweaks of a kind from the mildest to the strongest.
    """

    kind: Kind
    values: Mapping[str, Any]
    words: str
    quality_cost: QualityCost
    strength: int = 0

    @property
    def cost(self) -> tuple[int, int]:
        """Sort key: cost in quality, then strength. All tweaks without a cost are equal."""
        return (self.quality_cost, self.strength if self.quality_cost else 0)

    @property
    def effect(self) -> str:
        """The effect of the tweak on the result."""
        return EFFECTS[self.quality_cost]


def with_values(config: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """Return `config` with new values by dotted key (``section.field``), without validation."""
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


def list_tweaks(config: TrainingConfig, inputs: EstimateInputs) -> tuple[Tweak, ...]:
    """Return every tweak worth trying, the mildest of each kind first."""
    return (
        *_same_result(config),
        *_batches(config),
        *_evaluation_batches(config),
        *_rounding(config),
        *_smaller_pages(config, inputs),
        *_shorter_rows(config, inputs),
    )


def _same_result(config: TrainingConfig) -> Iterator[Tweak]:
    if config.model.attn_implementation == "eager":
        values = {"model.attn_implementation": "sdpa"}
        yield Tweak("attention", values, "attention by SDPA", QualityCost.NOTHING)
    if not config.training.gradient_checkpointing:
        values = {"training.gradient_checkpointing": True}
        yield Tweak("checkpointing", values, "gradient checkpointing", QualityCost.NOTHING)
    elif config.training.checkpoint_every_n_layers > 1:
        values = {"training.checkpoint_every_n_layers": 1}
        words = "gradient checkpointing of every layer"
        yield Tweak("checkpointing", values, words, QualityCost.NOTHING)
    if config.training.optim == "adamw_torch":
        values = {"training.optim": "adamw_torch_fused"}
        yield Tweak("optimizer", values, "the fused AdamW", QualityCost.NOTHING)


def _batches(config: TrainingConfig) -> Iterator[Tweak]:
    """Smaller batches with more accumulation steps, so that each step has as many rows."""
    rows = config.training.per_device_train_batch_size
    fewer = [count for count in range(rows - 1, 0, -1) if rows % count == 0]
    for strength, count in enumerate(fewer):
        steps = config.training.gradient_accumulation_steps * rows // count
        plural = "rows" if count > 1 else "row"
        yield Tweak(
            "batch",
            {BATCH: count, ACCUMULATION: steps},
            f"{count} {plural} at once instead of {rows}, {steps} batches added up",
            QualityCost.NOTHING,
            strength,
        )


def _evaluation_batches(config: TrainingConfig) -> Iterator[Tweak]:
    if config.data.evaluates and config.training.per_device_eval_batch_size > 1:
        values = {EVALUATION: 1}
        yield Tweak("evaluation", values, "evaluation row by row", QualityCost.NOTHING)


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


def _smaller_pages(config: TrainingConfig, inputs: EstimateInputs) -> Iterator[Tweak]:
    """Lower pixel limits, for models whose image tokens depend on the area of the page."""
    image, page = inputs.layout.image, inputs.dataset.page
    if image is None or image.rule != "pixels":
        return
    limit = config.model.max_pixels or image.max_pixels
    area = min(page.width * page.height, limit) if page and limit else limit
    token = (image.patch * image.merge) ** 2
    least = config.model.min_pixels or image.min_pixels
    for strength, fraction in enumerate(AREA_FRACTIONS):
        tokens = int(fraction * area) // token
        if tokens * token < max(least, token):
            return
        yield Tweak(
            "pixels",
            {"model.max_pixels": tokens * token},
            f"pages of at most {tokens * token:,} pixels ({tokens} tokens)",
            QualityCost.SMALLER_PAGES,
            strength,
        )


def _shorter_rows(config: TrainingConfig, inputs: EstimateInputs) -> Iterator[Tweak]:
    """Lower token limits, only if lengths are unknown: known ones limit the estimate already."""
    if inputs.dataset.lengths:
        return
    image, page = inputs.layout.image, inputs.dataset.page
    least = page_tokens(page, image, config.model) if page and image else None
    shorter = [cap for cap in reversed(LENGTHS) if (least or 0) < cap < config.data.max_length]
    for strength, cap in enumerate(shorter):
        words = f"rows of at most {cap} tokens"
        yield Tweak("length", {"data.max_length": cap}, words, QualityCost.REJECTED_ROWS, strength)
