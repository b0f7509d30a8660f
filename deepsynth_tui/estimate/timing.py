"""How long a step takes: a roofline over arithmetic, memory traffic and kernel launches.

Not measured. The two constants below are assumptions and say so; the run's own step time
replaces this figure as soon as there is one. A GPU without bfloat16 units is taken to train in
float16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.machine.gpus import Gpu
from deepsynth_tui.estimate.memory.trainable import Trainable
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.estimate.profiles.profile import ModelProfile

# Assumption: share of the data sheet's dense rate that the transformers and PEFT stack reaches
# without fused kernels. Model FLOPs utilisation of 0.3 to 0.5 is usual on one GPU.
EFFICIENCY = 0.40
# Assumption: eager kernels of one layer take this long to launch in one pass.
LAUNCH_SECONDS = 0.5e-3
# Bytes moved to make a quantised weight wide before its matmul, which waits for it: read, and
# written in half precision.
DEQUANTISED_BYTES = {4: 0.5 + 2, 8: 1 + 2}


@dataclass(frozen=True, slots=True)
class Work:
    """What one optimizer step has to do on one GPU, of all its micro-batches together.

    `traffic` and `dequantised` in bytes; the matmul waits for the latter and hides the former.
    """

    flops: float
    traffic: float
    launch_seconds: float
    dequantised: float = 0.0

    def seconds(self, gpu: Gpu) -> float:
        """Seconds on this GPU: the slowest of the three bounds, after dequantising."""
        bandwidth = gpu.bandwidth_gbs * 1e9
        bound = max(
            self.flops / (EFFICIENCY * gpu.tflops * 1e12),
            self.traffic / bandwidth,
            self.launch_seconds,
        )
        return bound + self.dequantised / bandwidth


def step_work(
    config: TrainingConfig,
    profile: ModelProfile,
    trainable: Trainable,
    *,
    length: int,
    patches: int,
) -> Work:
    """Work of one optimizer step with rows of `length` tokens and `patches` per micro-batch.

    A frozen weight costs one matmul forward and one backward, a trained one two backward;
    checkpointing repeats the forward of the layers.
    """
    training, text = config.training, profile.text
    rows = training.per_device_train_batch_size
    tokens = rows * length
    repeats = 1 if training.gradient_checkpointing else 0
    backward = 1 if config.lora.enabled else 2
    layers = _active_language(profile)
    head = text.vocab * text.hidden
    scores = 2 * text.layers * length * text.heads * text.head_dim
    language = 2 * tokens * (layers + scores / 2) * (1 + repeats + backward)
    language += 2 * tokens * head * (1 + backward)
    adapters = 2 * tokens * _active_adapters(profile, trainable) * (3 + repeats)
    vision_passes = 1 if config.model.freeze_vision_tower else 1 + repeats + 2
    vision = 2 * patches * profile.params_of("vision") * vision_passes
    passes = 1 + repeats + backward
    weights = profile.params_of("language")
    quantised = DEQUANTISED_BYTES[config.quantization.bits] if config.quantization.enabled else 0
    micro_steps = training.gradient_accumulation_steps
    optimizer = 16 * trainable.total  # weight, gradient and two moments, read and written
    return Work(
        flops=micro_steps * (language + adapters + vision),
        traffic=micro_steps * passes * DTYPE_BYTES[config.model.dtype] * weights + optimizer,
        launch_seconds=micro_steps * passes * text.layers * LAUNCH_SECONDS,
        dequantised=micro_steps * passes * quantised * weights,
    )


def total_steps(config: TrainingConfig, rows: int | None) -> int | None:
    """Optimizer steps of the run; None while the number of rows is not known."""
    training, data = config.training, config.data
    if training.max_steps > 0:
        return training.max_steps
    if rows is None:
        return None
    rows = round(rows * (1 - data.eval_fraction))
    rows = min(rows, data.max_train_samples or rows)
    per_step = (
        training.per_device_train_batch_size
        * training.gradient_accumulation_steps
        * training.num_processes
    )
    return math.ceil(math.ceil(rows / per_step) * training.num_train_epochs)


def _active_language(profile: ModelProfile) -> int:
    """Weights a token meets in the decoder layers: of the experts only the chosen share."""
    total = 0
    for group in profile.weights:
        if group.tower != "language" or group.kind in ("embedding", "norm"):
            continue
        if group.kind == "fused_experts" or ".experts.*." in group.pattern:
            share = profile.text.experts_per_token / max(profile.text.experts, 1)
            total += int(group.parameters * share)
        else:
            total += group.parameters
    return total


def _active_adapters(profile: ModelProfile, trainable: Trainable) -> float:
    """Adapter parameters a token meets."""
    fused = any(group.kind == "fused_experts" for group in trainable.targets.values())
    if not fused or not profile.text.experts:
        return trainable.adapters
    return trainable.adapters * profile.text.experts_per_token / profile.text.experts
