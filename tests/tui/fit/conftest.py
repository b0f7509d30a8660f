"""Inputs of estimates of a small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from tests.pilot.forms import cache_model_layout


@pytest.fixture
def inputs(home: Path) -> EstimateInputs:
    return EstimateInputs(cache_model_layout(), gpus=load_catalogue())
