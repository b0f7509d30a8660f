"""Page features, which `training.cache_features` keeps: their bytes, and when they save time."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig, TrainingSettings
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.vision import VisionMemory
from deepsynth_tui.estimate.memory.weights import (
    DTYPE_BYTES,
    is_quantized,
    tensor_bytes,
    weight_bytes,
)
from deepsynth_tui.estimate.timing import step_seconds
from deepsynth_tui.estimate.work.towers import vision_work
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.machine.gpu_catalogue import Gpu
from deepsynth_tui.models.layout import ModelLayout

HALF = 2
MIN_PASSES = 1.5
"""Times that a page must be read for each time it is encoded."""
MIN_SAVING = 0.05
"""Share of the time that must be saved."""
DEEPSTACK = ".deepstack_merger_list."
"""In the names of the mergers of DeepStack (models/qwen3_vl): one for each layer that gets
features of its own, which are stored as well."""


@dataclass(frozen=True, slots=True)
class PageFeatures:
    """The features of the pages of a run: bytes of a page and of all, and passes over them.

    `pages` and `disk` are None if the number of rows is unknown.
    """

    page: int
    pages: int | None
    disk: int | None
    passes: float


@dataclass(frozen=True, slots=True)
class TimeShares:
    """Time that features change, as shares of the time of a step per page with pixels.

    `saved` each time that a page is read, `encoding` each time that one is encoded.
    `seconds` is that time itself, None if shares of FLOPs stand for it.
    """

    saved: float
    encoding: float
    seconds: float | None = None

    def saving(self, encoded: float) -> float:
        """Return the share of the time of a run that is saved.

        `encoded` is the number of pages that are encoded over the times that a page is read.
        """
        return self.saved - self.encoding * encoded


def time_shares(
    config: TrainingConfig,
    layout: ModelLayout,
    work: Work,
    pixels: VisionMemory,
    gpu: Gpu | None,
) -> TimeShares:
    """Return the shares of a step with pixels (`work`) on a GPU; of its FLOPs without one."""
    training = config.training
    pages = training.per_device_train_batch_size * training.gradient_accumulation_steps
    shorter = without_vision(config, layout, work, pixels)
    page = page_work(config, layout, pixels)
    if gpu is None:
        return TimeShares(1 - shorter.flops / work.flops, pages * page.flops / work.flops)
    seconds = step_seconds(work, gpu)
    return TimeShares(
        saved=1 - step_seconds(shorter, gpu) / seconds,
        encoding=pages * step_seconds(page, gpu) / seconds,
        seconds=seconds / pages,
    )


def page_features(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    *,
    image_tokens: int,
    rows: int | None,
    times: TimeShares,
) -> PageFeatures | None:
    """Return the features that a run keeps, with a page in each row; None if it keeps none.

    The run itself counts pages and free disk, which may change what auto decides.
    """
    training = config.training
    is_possible = (
        layout.takes_features
        and image_tokens > 0
        and not training.fsdp
        and config.model.freeze_vision_tower
        and config.model.freeze_projector
        and not trainable.by_tower.get("vision")
        and not trainable.by_tower.get("projector")
    )
    if training.cache_features == "off" or not is_possible:
        return None
    passes = passes_over_rows(config, rows)
    if training.cache_features == "auto" and (
        passes is None or passes < MIN_PASSES or times.saving(1 / passes) < MIN_SAVING
    ):
        return None
    page = image_tokens * layout.text.hidden * _width(config) * (1 + deepstack_layers(layout))
    pages = None if rows is None else _used_rows(config, rows)
    return PageFeatures(page, pages, None if pages is None else pages * page, passes or 1.0)


def feature_memory(features: PageFeatures, pixels: VisionMemory, rows: int) -> VisionMemory:
    """Return the memory of the features of a micro-batch in place of its pixels and the tower.

    A forward pass joins the pages to one tensor, and copies it into the embeddings.
    """
    size = rows * features.page
    return VisionMemory(
        tokens=pixels.tokens, patches=0, saved=size, workspace=size, forward_workspace=size
    )


def released_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Return the bytes of the tower that leave the GPU: those that are not quantized."""
    return sum(
        group.count * tensor_bytes(group, config)
        for group in layout.weights
        if group.tower in ("vision", "projector")
        and not group.tied
        and not is_quantized(group.first_name, group, config)
    )


def encoding_bytes(
    config: TrainingConfig, layout: ModelLayout, adapters: int, pixels: VisionMemory
) -> int:
    """Return the allocated bytes while pages are encoded, one at a time."""
    rows = config.training.per_device_train_batch_size
    return weight_bytes(config, layout) + adapters + pixels.forward_workspace // rows


def page_work(config: TrainingConfig, layout: ModelLayout, pixels: VisionMemory) -> Work:
    """Return the work of encoding one page."""
    rows = config.training.per_device_train_batch_size
    training = config.training.model_copy(update={"per_device_train_batch_size": 1})
    one_row = config.model_copy(update={"training": training})
    return vision_work(one_row, layout, pixels.patches // rows)


def without_vision(
    config: TrainingConfig, layout: ModelLayout, work: Work, pixels: VisionMemory
) -> Work:
    """Return the work of a step whose pages have features."""
    tower = vision_work(config, layout, pixels.patches)
    return work - tower * config.training.gradient_accumulation_steps


def passes_over_rows(config: TrainingConfig, rows: int | None) -> float | None:
    """Return how often a row is read in all epochs and evaluations; None if that is unknown."""
    training = config.training
    if rows is None:
        return training.num_train_epochs if training.max_steps <= 0 else None
    used = _used_rows(config, rows)
    held_out = round(rows * config.data.eval_fraction)
    trained = max(used - held_out, 1)
    per_step = (
        training.per_device_train_batch_size
        * training.gradient_accumulation_steps
        * training.num_processes
    )
    drawn = training.num_train_epochs * trained
    if training.max_steps > 0:
        drawn = training.max_steps * per_step
    evaluations = count_evaluations(training, round(drawn / per_step))
    return (drawn + evaluations * held_out) / max(used, 1)


def count_evaluations(training: TrainingSettings, steps: int) -> int:
    """Return how often the held-out rows are read in a run of so many steps."""
    during = steps // training.eval_steps if training.eval_steps else 0
    ends_with_one = bool(training.eval_steps) and steps % (training.eval_steps or 1) == 0
    return during + (0 if ends_with_one else 1) + (1 if training.eval_on_start else 0)


def deepstack_layers(layout: ModelLayout) -> int:
    """Return the number of layers of the language model that get features of their own."""
    counts = [group.count for group in layout.weights if DEEPSTACK in f".{group.pattern}"]
    return max(counts, default=0)


def _used_rows(config: TrainingConfig, rows: int) -> int:
    """Return the rows to train on and the held-out rows together."""
    data = config.data
    held_out = round(rows * data.eval_fraction)
    trained = rows - held_out
    return min(trained, data.max_train_samples or trained) + held_out


def _width(config: TrainingConfig) -> int:
    """Bytes of a value: linears compute in half precision under autocast."""
    autocast = config.training.bf16 or config.training.fp16
    return HALF if autocast else DTYPE_BYTES[config.model.dtype]
