"""Inputs of estimates of a small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from tests.pilot.forms import known_model


@pytest.fixture
def inputs(home: Path) -> EstimateInputs:
    return EstimateInputs(known_model(), gpus=load_catalogue())
