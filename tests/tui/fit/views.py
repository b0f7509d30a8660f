"""Views of the fit panel for a small model."""

from __future__ import annotations

from typing import Any

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.report import fit_report
from deepsynth_tui.machine.gpu_catalogue import GIB
from deepsynth_tui.machine.nvml import Device, GpuProcess, Probe
from deepsynth_tui.tui.fit.details import details
from deepsynth_tui.tui.fit.view import FitView

A100 = Device(
    index=0,
    name="NVIDIA A100-SXM4-40GB",
    uuid="GPU-1",
    total=40 * GIB,
    free=3 * GIB,
    used=37 * GIB,
    temperature=61,
    utilisation=97,
    processes=(GpuProcess(10, 30 * GIB), GpuProcess(11, None)),
)
NO_GPU = Probe((), "No NVIDIA driver answers: none.")


def config_of(batch: int = 1, rank: int = 16) -> TrainingConfig:
    """A configuration with a batch size and a LoRA rank."""
    settings = {"lora": {"r": rank}, "training": {"per_device_train_batch_size": batch}}
    return TrainingConfig.model_validate(settings)


def view_of(
    inputs: EstimateInputs,
    config: TrainingConfig,
    *,
    previous: TrainingConfig | None = None,
    probe: Probe | None = None,
    **fields: Any,
) -> FitView:
    """The view of `config` once its report has arrived."""
    return FitView(
        inputs.estimate(config),
        config.lora.r,
        inputs.dataset,
        previous=inputs.estimate(previous) if previous else None,
        report=fit_report(config, inputs, probe.devices if probe else ()),
        probe=probe,
        **fields,
    )


def details_text(view: FitView, width: int = 51) -> list[str]:
    """The lines of the details without their styles."""
    return [line.plain for line in details(view, width).lines]
