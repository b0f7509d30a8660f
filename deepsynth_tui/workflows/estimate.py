"""Gather the inputs of an estimate: model layouts, row statistics, GPU catalogue, past runs."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.layout_client import request_layouts
from deepsynth_tui.training.data import lengths_client


def gather_inputs(config: TrainingConfig) -> EstimateInputs:
    """Return the inputs for estimates of `config`. Blocks for seconds where nothing is cached.

    Raises:
        LayoutError: the layout of the model or of its text encoder is not available.
        CatalogueError: the user's GPU catalogue cannot be read.
    """
    layout, encoder = request_layouts(config)
    return EstimateInputs(
        layout,
        encoder=encoder,
        dataset=row_statistics(config),
        gpus=load_catalogue(),
        overhead=measured_runs.measured_overhead(),
        step_time_ratios=measured_runs.step_time_ratios(),
        counted_for=config.model,
    )


def row_statistics(config: TrainingConfig) -> RowStatistics:
    """Return the token counts of the rows of `config`. Blocks for seconds where nothing is cached.

    If the rows cannot be counted, `RowStatistics.note` says why.
    """
    try:
        return lengths_client.request_row_statistics(config)
    except lengths_client.RowStatisticsError as error:
        return RowStatistics(note=f"No row was counted: {error.message}")
