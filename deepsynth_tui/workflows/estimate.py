"""Find what the estimate of a configuration is made from."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.layout_client import request_layouts
from deepsynth_tui.training.data import lengths_client


def gather_inputs(config: TrainingConfig) -> EstimateInputs:
    """Find what estimates of `config` are made from. Blocks: seconds where something is new.

    Rows that cannot be counted are an answer, no error: `RowStatistics.note` says why.

    Raises:
        LayoutError: the model or its text encoder has no profile.
        CatalogueError: the person's own GPU catalogue cannot be used.
    """
    profile, encoder = request_layouts(config)
    return EstimateInputs(
        profile,
        encoder=encoder,
        dataset=row_statistics(config),
        gpus=load_catalogue(),
        overhead=measured_runs.measured_overhead(),
        step_time_ratios=measured_runs.step_time_ratios(),
        counted_for=config.model,
    )


def row_statistics(config: TrainingConfig) -> RowStatistics:
    """What is known of the rows, counting them if need be. Blocks: seconds."""
    try:
        return lengths_client.request_row_statistics(config)
    except lengths_client.RowStatisticsError as error:
        return RowStatistics(note=f"No row was counted: {error.message}")
