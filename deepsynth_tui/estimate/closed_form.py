"""The closed-form estimate: memory, fit, time and cost of a training configuration.

Pure functions of a configuration, model layouts and GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import fits_without, is_automatic, with_checkpointing
from deepsynth_tui.estimate.memory.run_memory import RunMemory, run_memory
from deepsynth_tui.estimate.memory.stack_version import INSTALLED, StackVersion
from deepsynth_tui.estimate.memory.text_encoder import text_encoder_memory
from deepsynth_tui.estimate.memory.trainable import TrainableParameters, count_trainable
from deepsynth_tui.estimate.memory.vision import VisionMemory, vision_memory
from deepsynth_tui.estimate.page_features import (
    PageFeatures,
    TimeShares,
    page_features,
    page_work,
    time_shares,
    without_vision,
)
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.estimate.resources import Estimate, GpuEstimate
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.estimate.timing import StepTime, step_seconds, step_time, total_steps
from deepsynth_tui.estimate.warnings import estimate_warnings
from deepsynth_tui.estimate.work.step import step_work
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.machine.gpu_catalogue import Gpu
from deepsynth_tui.models.layout import ModelLayout

EVALUATION_PEAK = (
    "Evaluation in batches of {rows} takes more memory than training: "
    "training.per_device_eval_batch_size lowers it."
)
NO_RATIOS: Mapping[str, float] = {}


def estimate(
    config: TrainingConfig,
    layout: ModelLayout,
    *,
    gpus: Sequence[Gpu],
    encoder: ModelLayout | None = None,
    dataset: RowStatistics = UNKNOWN_ROWS,
    overhead: ProcessOverhead = PUBLISHED_OVERHEAD,
    step_time_ratios: Mapping[str, float] = NO_RATIOS,
    stack: StackVersion = INSTALLED,
) -> Estimate:
    """Estimate a run.

    With ``gradient_checkpointing: auto``, memory is that of a run with checkpointing, and each GPU
    that the run fits without has the figures of that run.

    Args:
        config: The training configuration.
        layout: Layout of ``model.name_or_path``.
        gpus: GPUs to give times and costs for.
        encoder: Layout of ``text_encoder.name_or_path``.
        dataset: Statistics of the rows. Without lengths every row has ``data.max_length`` tokens.
        overhead: Memory beyond the allocated tensors, as measured on this machine or published.
        step_time_ratios: Measured over predicted step times, by the name of a GPU.
        stack: Properties of the versions of transformers, PEFT and the trainer.
    """
    options = (gpus, encoder, dataset, overhead, step_time_ratios, stack)
    if not is_automatic(config):
        return _estimate(config, layout, *options)
    stored = _estimate(with_checkpointing(config, value=False), layout, *options)
    recomputed = _estimate(with_checkpointing(config, value=True), layout, *options)
    rows = tuple(
        without if fits_without(stored.needed, without.gpu.usable_bytes) else row
        for row, without in zip(recomputed.gpus, stored.gpus, strict=True)
    )
    return replace(recomputed, gpus=rows)


@dataclass(frozen=True, slots=True)
class _Step:
    """The tokens, the vision tower and the work of a step.

    `length` is that of the longest row, `padded` the mean length of padded rows. `image_tokens`
    are those of a page, 0 if its size is unknown: the largest possible page is assumed for the
    memory, not that rows have no answer. `times` compares the vision tower with the rest, for
    `features`, the page features that are cached in place of pixels.
    """

    length: int
    padded: float
    pixels: VisionMemory
    image_tokens: int
    work: Work
    times: TimeShares | None
    features: PageFeatures | None


def _estimate(
    config: TrainingConfig,
    layout: ModelLayout,
    gpus: Sequence[Gpu],
    encoder: ModelLayout | None,
    dataset: RowStatistics,
    overhead: ProcessOverhead,
    step_time_ratios: Mapping[str, float],
    stack: StackVersion,
) -> Estimate:
    trainable = count_trainable(config, layout)
    text_encoder = text_encoder_memory(config, layout, encoder)
    step = _step(config, layout, trainable, gpus, encoder, dataset, stack)
    memory = run_memory(
        config,
        layout,
        trainable,
        length=step.length,
        page=dataset.page,
        pixels=step.pixels,
        features=step.features,
        text_encoder=text_encoder.total_bytes,
        overhead=overhead,
        stack=stack,
    )
    warnings = estimate_warnings(config, layout, encoder, trainable, dataset, step.length)
    if memory.evaluation == memory.needed:
        warnings += (EVALUATION_PEAK.format(rows=config.training.per_device_eval_batch_size),)
    steps = total_steps(config, dataset.rows)
    return Estimate(
        breakdown=memory.breakdown,
        peak_allocated=memory.allocated,
        cached=memory.cached,
        peak_device=memory.device,
        peak_loading=memory.loading,
        trainable_params=trainable.total + text_encoder.trainable,
        trainable_by_tower={**trainable.by_tower, **text_encoder.by_part},
        adapted=tuple(trainable.targets),
        total_params=layout.total_params + text_encoder.parameters,
        tokens_per_sample=step.length,
        image_tokens=step.pixels.tokens,
        steps=steps,
        speed_multiplier=_speed_multiplier(config, layout, step, gpus),
        gpus=_gpu_estimates(config, layout, step, memory, steps, gpus, step_time_ratios),
        warnings=warnings,
        overhead=overhead,
        feature_times=step.times,
        page_features=step.features,
        peak_evaluation=memory.evaluation,
    )


def _step(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    gpus: Sequence[Gpu],
    encoder: ModelLayout | None,
    dataset: RowStatistics,
    stack: StackVersion,
) -> _Step:
    """Return the step of a run, without the work of the vision tower if features are cached."""
    length = dataset.longest(config.data.max_length)
    padded_together = (
        1 if config.training.padding_free else config.training.per_device_train_batch_size
    )
    padded = dataset.padded(padded_together, config.data.max_length)
    pixels = vision_memory(config, layout, trainable, dataset.page, length, stack)
    image_tokens = pixels.tokens if dataset.page else 0
    work = step_work(
        config,
        layout,
        trainable,
        length=padded,
        patches=pixels.patches,
        image_tokens=image_tokens,
        encoder=encoder,
    )
    times = time_shares(config, layout, work, pixels, _median_gpu(gpus))
    features = page_features(
        config,
        layout,
        trainable,
        image_tokens=pixels.tokens,
        rows=dataset.rows,
        times=times,
    )
    if features is not None:
        work = without_vision(config, layout, work, pixels)
    return _Step(length, padded, pixels, image_tokens, work, times, features)


def _gpu_estimates(
    config: TrainingConfig,
    layout: ModelLayout,
    step: _Step,
    memory: RunMemory,
    steps: int | None,
    gpus: Sequence[Gpu],
    step_time_ratios: Mapping[str, float],
) -> tuple[GpuEstimate, ...]:
    return tuple(
        _gpu_estimate(
            gpu,
            memory,
            step_time(step.work, gpu, step_time_ratios.get(gpu.name)),
            steps,
            config,
            _encoding_seconds(config, layout, step.features, step.pixels, gpu),
        )
        for gpu in gpus
    )


def _encoding_seconds(
    config: TrainingConfig,
    layout: ModelLayout,
    features: PageFeatures | None,
    pixels: VisionMemory,
    gpu: Gpu,
) -> float:
    """Seconds to encode all pages once, on all GPUs of the run; 0 if their number is unknown."""
    if features is None or features.pages is None:
        return 0.0
    pages = features.pages / config.training.num_processes
    return pages * step_seconds(page_work(config, layout, pixels), gpu)


def _speed_multiplier(
    config: TrainingConfig, layout: ModelLayout, step: _Step, gpus: Sequence[Gpu]
) -> float:
    """Step time of full fine-tuning over that of `step`, on the GPU of median speed."""
    full = config.model_copy(
        update={
            "lora": config.lora.model_copy(update={"enabled": False}),
            "quantization": config.quantization.model_copy(update={"enabled": False}),
        }
    )
    full_work = step_work(
        full,
        layout,
        count_trainable(full, layout),
        length=step.padded,
        patches=step.pixels.patches,
        image_tokens=step.image_tokens,
    )
    gpu = _median_gpu(gpus)
    if gpu is None:
        return full_work.matmul_flops / step.work.matmul_flops
    return step_seconds(full_work, gpu) / step_seconds(step.work, gpu)


def _median_gpu(gpus: Sequence[Gpu]) -> Gpu | None:
    """Return the GPU of median speed, None without GPUs."""
    by_speed = sorted(gpus, key=lambda gpu: gpu.tflops)
    return by_speed[len(gpus) // 2] if by_speed else None


def _gpu_estimate(
    gpu: Gpu,
    memory: RunMemory,
    step: StepTime,
    steps: int | None,
    config: TrainingConfig,
    encoding_seconds: float,
) -> GpuEstimate:
    cost = None
    if gpu.price_per_hour is not None and steps is not None:
        hours = (steps * step.seconds + encoding_seconds) / 3600
        cost = hours * gpu.price_per_hour * config.training.num_processes
    return GpuEstimate(
        gpu=gpu,
        fit=gpu.fit(memory.needed),
        headroom=gpu.usable_bytes - memory.needed,
        device=min(memory.device, gpu.usable_bytes),
        seconds_per_step=step.seconds,
        seconds_range=(step.low, step.high),
        cost=cost,
        encoding_seconds=encoding_seconds,
    )
