"""Checkpoints with random weights load as released ones, and memory is counted by phase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoModelForImageTextToText

from deepsynth_tui.runs.events import Event
from tests.benchmarks import random_checkpoint
from tests.benchmarks.real_size import Reading, phases

PARAMETERS = {
    random_checkpoint.DEEPSEEK: 3_389_119_360,
    random_checkpoint.QWEN25: 3_754_622_976,
    random_checkpoint.QWEN3: 2_127_532_032,
}


def test_every_tensor_of_a_scaled_checkpoint_is_loaded(tmp_path: Path):
    folder = random_checkpoint.write(tmp_path / "model", random_checkpoint.GRANITE, scaled=True)
    loaded: Any = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not any(loaded[1].values()), loaded[1]


def test_released_shapes_have_their_parameters():
    for name, count in PARAMETERS.items():
        assert random_checkpoint.count_parameters(name) == count


def test_memory_peaks_belong_to_the_phase_they_are_in():
    events = [
        Event(1, 2.0, "phase", {"name": "loading"}),
        Event(2, 5.0, "phase", {"name": "training"}),
        Event(3, 9.0, "done", {}),
    ]
    readings = [Reading(1.0, 10, 1), Reading(3.0, 70, 50), Reading(4.9, 30, 60)]
    found = {phase.name: phase for phase in phases(0.0, events, [*readings, Reading(6.0, 40, 5)])}
    assert list(found) == ["importing", "loading", "training"]
    assert (found["loading"].anonymous, found["loading"].files) == (70, 60)
    assert found["training"].seconds == 4.0
