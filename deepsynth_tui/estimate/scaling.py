"""Memory and time of a run on several nodes, and the point at which more of them stop helping.

A step takes as many rows on any number of nodes, so the result stays the same: gradient
accumulation goes down as GPUs are added. Bytes that each of n GPUs sends in an optimizer step:

- DDP all-reduces the gradients in a ring: 2 (n - 1) / n of their bytes (Patarasuk and Yuan 2009,
  "Bandwidth optimal all-reduce algorithms for clusters of workstations").
- FSDP2 all-gathers each sharded layer in the forward and again in the backward pass of every batch:
  (n - 1) / n of its bytes each (Rajbhandari et al. 2020, "ZeRO", section 7.2.2). Frozen layers have
  no gradients to reduce.

Their time is that of the slowest link: all that leaves a node passes its network, as the "bus
bandwidth" of nccl-tests (doc/PERFORMANCE.md) counts it. Bandwidths are nominal, and latency is left
out, so that times are lower bounds. A step takes the longer of computing and communicating if they
overlap completely, and their sum if they do not at all. `tests/estimate/test_published_scaling.py`
compares that with published runs: on fast networks the times lie within these bounds, except for
models below 0.8 billion parameters, for which latency counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.memory.fsdp import sharded_layer_bytes
from deepsynth_tui.estimate.memory.optimizer import trainable_memory
from deepsynth_tui.estimate.memory.text_encoder import EncoderPart
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.machine.gpu_catalogue import Fit, Gpu

LINKS: dict[str, float] = {
    "nvlink5": 900e9,
    "nvlink4": 450e9,
    "nvlink3": 300e9,
    "pcie5": 32e9 * 16 * 128 / 130 / 8,
    "pcie4": 16e9 * 16 * 128 / 130 / 8,
    "pcie3": 8e9 * 16 * 128 / 130 / 8,
    "ib-ndr": 400e9 / 8,
    "ib-hdr": 200e9 / 8,
    "100gbe": 100e9 / 8,
    "25gbe": 25e9 / 8,
    "10gbe": 10e9 / 8,
    "1gbe": 1e9 / 8,
}
"""Nominal bytes per second in one direction. NVLink: half of the total in NVIDIA's data sheets of
B200, H100 and A100 (1800, 900 and 600 GB/s). PCIe: 16 lanes with their 128b/130b encoding."""
GRADIENT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Links:
    """Bytes per second in one direction: between the GPUs of a node, and in all between nodes."""

    gpus: float
    network: float

    def slowest(self, nodes: int) -> float:
        """Return the bandwidth of a ring through all GPUs."""
        return self.gpus if nodes == 1 else min(self.gpus, self.network)


@dataclass(frozen=True, slots=True)
class NodesEstimate:
    """A run on a number of nodes, with memory and volumes in bytes per GPU.

    `seconds` are the bounds of a step with and without overlap of computing and communicating.
    `hours` and `cost` (US dollars) are those of the whole run with the upper bound, None if the
    number of steps or the price is unknown. `helps` is whether it is faster than the row before.
    """

    nodes: int
    gpus: int
    gradient_accumulation_steps: int
    needed: int
    fits: bool
    all_reduce: int
    all_gather: int
    compute_seconds: float
    communication_seconds: float
    seconds: tuple[float, float]
    hours: float | None
    cost: float | None
    helps: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return all fields by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scaling:
    """The estimates, fewest nodes first, and why others that were asked for have none."""

    gpu: Gpu
    rows_per_step: int
    estimates: tuple[NodesEstimate, ...]
    impossible: dict[int, str]

    @property
    def largest_helpful(self) -> int | None:
        """The nodes up to which each row is faster than the one before."""
        helpful: int | None = None
        for row in self.estimates:
            if not row.helps:
                break
            helpful = row.nodes
        return helpful

    def to_json(self) -> dict[str, Any]:
        """Return what `estimate --nodes --json` prints."""
        return {
            "gpu": self.gpu.name,
            "rows_per_step": self.rows_per_step,
            "nodes": [row.to_json() for row in self.estimates],
            "impossible": {str(nodes): why for nodes, why in self.impossible.items()},
            "largest_helpful": self.largest_helpful,
        }


def scale(
    config: TrainingConfig,
    inputs: EstimateInputs,
    gpu: Gpu,
    *,
    nodes: Sequence[int],
    gpus_per_node: int,
    links: Links,
) -> Scaling:
    """Estimate `config` on each number of nodes, with as many rows per step as it has."""
    training = config.training
    batch = training.per_device_train_batch_size
    rows = batch * training.gradient_accumulation_steps * training.num_processes
    estimates: list[NodesEstimate] = []
    impossible: dict[int, str] = {}
    for count in sorted(set(nodes)):
        gpus = count * gpus_per_node
        if rows % (batch * gpus):
            impossible[count] = (
                f"the {rows} rows of a step do not divide into batches of {batch} on {gpus} GPUs"
            )
            continue
        accumulation = rows // (batch * gpus)
        row = _on_nodes(config, inputs, gpu, count, gpus, accumulation, links)
        estimates.append(_compared(row, estimates[-1] if estimates else None))
    return Scaling(gpu, rows, tuple(estimates), impossible)


def all_reduce_bytes(gradients: int, gpus: int) -> int:
    """Return the bytes that each GPU sends to average `gradients` bytes."""
    return round(2 * (gpus - 1) / gpus * gradients)


def all_gather_bytes(layers: int, gpus: int, batches: int) -> int:
    """Return the bytes that each GPU sends to gather `layers` bytes twice for each batch."""
    return round(2 * batches * (gpus - 1) / gpus * layers)


def step_bounds(computing: float, communicating: float) -> tuple[float, float]:
    """Return the seconds of a step with complete overlap of the two, and without."""
    return max(computing, communicating), computing + communicating


def _on_nodes(
    config: TrainingConfig,
    inputs: EstimateInputs,
    gpu: Gpu,
    nodes: int,
    gpus: int,
    accumulation: int,
    links: Links,
) -> NodesEstimate:
    changes = {
        "num_processes": gpus,
        "gradient_accumulation_steps": accumulation,
        "fsdp": config.training.fsdp and gpus > 1,
    }
    training = config.training.model_copy(update=changes)
    variant = config.model_copy(update={"training": training})
    estimate = inputs.estimate_on(variant, [gpu])
    (on_gpu,) = estimate.gpus
    reduced = all_reduce_bytes(_gradient_bytes(variant, inputs, estimate), gpus)
    gathered = 0
    if training.fsdp:
        layers = sum(sharded_layer_bytes(variant, inputs.layout).values())
        gathered = all_gather_bytes(layers, gpus, accumulation)
    computing = on_gpu.seconds_per_step
    communicating = (reduced + gathered) / links.slowest(nodes)
    bounds = step_bounds(computing, communicating)
    hours = None if estimate.steps is None else estimate.steps * bounds[1] / 3600
    price = gpu.price_per_hour
    return NodesEstimate(
        nodes=nodes,
        gpus=gpus,
        gradient_accumulation_steps=accumulation,
        needed=estimate.needed,
        fits=on_gpu.fit is not Fit.NO,
        all_reduce=reduced,
        all_gather=gathered,
        compute_seconds=computing,
        communication_seconds=communicating,
        seconds=bounds,
        hours=hours,
        cost=None if hours is None or price is None else hours * price * gpus,
    )


def _compared(row: NodesEstimate, before: NodesEstimate | None) -> NodesEstimate:
    """Return the row with `helps`; one that fits helps after one that does not."""
    if before is None or (row.fits and not before.fits):
        return row
    return replace(row, helps=row.seconds[1] < before.seconds[1])


def _gradient_bytes(config: TrainingConfig, inputs: EstimateInputs, estimate: Estimate) -> int:
    """Return the bytes of the gradients that are averaged: DDP holds them twice."""
    copies = 2 if config.training.num_processes > 1 else 1
    held = trainable_memory(config, count_trainable(config, inputs.layout)).gradients
    encoder = sum(estimate.trainable_by_tower.get(part, 0) for part in get_args(EncoderPart))
    return held // copies + GRADIENT_BYTES * encoder
