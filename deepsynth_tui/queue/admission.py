"""What a configuration needs of this machine, and whether it can ever have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.fixes import cheapest_fixes
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.main_memory import total_memory
from deepsynth_tui.runs.queue import DeviceKind
from deepsynth_tui.units import MIB, format_bytes
from deepsynth_tui.workflows.estimate import gather_inputs

CPU_PROCESS_BYTES = 512 * MIB
"""Main memory of PyTorch, transformers, PEFT and datasets, as `estimate.storage` has measured."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a run needs: `devices` GPUs or the CPU, each with `needed` bytes free (None: unknown).

    `note` says why there is no estimate. `problem` is set if no device of this machine is large
    enough.
    """

    device: DeviceKind
    devices: int = 1
    needed: int | None = None
    note: str = ""
    problem: Problem | None = None


ELSEWHERE = Problem(
    "launch.target",
    "the queue starts runs on this machine alone",
    "start it without the queue, or set launch.target to local",
)


def need_of(config: Config) -> Need:
    """Return what a run of `config` needs on this machine. Blocks for seconds if nothing is cached.

    A dataset is drawn on the CPU, and its memory is not estimated.
    """
    return NeedEstimator()(config)


class NeedEstimator:
    """Returns what runs need, reading the layout of each model and its rows once."""

    def __init__(self) -> None:
        self._inputs: dict[str, EstimateInputs | UserError] = {}

    def __call__(self, config: Config) -> Need:
        """Return what a run of `config` needs on this machine."""
        if not isinstance(config, TrainingConfig):
            return Need("cpu")
        if config.launch.target != "local":
            return Need("cpu", problem=ELSEWHERE)
        devices = nvml.probe().devices
        inputs = self._inputs_of(config)
        if isinstance(inputs, UserError):
            note = f"Its memory is not estimated: {inputs.message.removesuffix('.')}."
            return Need("gpu" if devices else "cpu", _count(config, devices), note=note)
        return need_by(config, inputs, devices)

    def _inputs_of(self, config: TrainingConfig) -> EstimateInputs | UserError:
        sections = (config.model, config.text_encoder, config.data, *config.datasets)
        key = "".join(section.model_dump_json() for section in sections)
        if key not in self._inputs:
            try:
                self._inputs[key] = gather_inputs(config)
            except UserError as error:
                self._inputs[key] = error
        return self._inputs[key]


def need_by(config: TrainingConfig, inputs: EstimateInputs, devices: Sequence[nvml.Device]) -> Need:
    """Return what a run of `config` needs where there are `devices`; without any, on the CPU."""
    estimate = inputs.estimate_on(config, ())
    if devices:
        needed, largest = estimate.needed, max(device.total for device in devices)
        place = "the largest GPU of this machine"
    else:
        needed, largest, place = cpu_bytes(estimate), total_memory(), "this machine"
    problem = None
    if largest is not None and needed > largest:
        (fix,) = cheapest_fixes(config, inputs, [largest])
        problem = Problem(
            "training.per_device_train_batch_size",
            f"the run needs {format_bytes(needed)}, and {place} has {format_bytes(largest)}",
            fix.words if fix and devices else "a smaller batch or model needs less",
        )
    kind: DeviceKind = "gpu" if devices else "cpu"
    return Need(kind, _count(config, devices), needed, problem=problem)


def cpu_bytes(estimate: Estimate) -> int:
    """Return the main memory of a run that trains on the CPU."""
    return estimate.peak_allocated + CPU_PROCESS_BYTES


def _count(config: TrainingConfig, devices: Sequence[nvml.Device]) -> int:
    return config.training.num_processes if devices else 1
