"""What the command line prints."""

from __future__ import annotations

import json

from deepsynth_tui.estimate import report
from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.machine.devices import Device, Probe
from deepsynth_tui.estimate.machine.gpus import catalogue
from tests.estimate import models
from tests.estimate.models import configure

CARD = Device(0, "NVIDIA L4", "GPU-1", 24 * 2**30, 20 * 2**30, 4 * 2**30, 50, None)


def test_text_says_what_fits_and_why_not():
    config = configure(training={"max_steps": 100}, lora={"enabled": False})
    found = estimate(config, models.shipped("Qwen/Qwen3-VL-4B-Instruct"), gpus=catalogue())
    said = report.text(found, "run.yaml")
    assert said.startswith("run.yaml")
    assert f"{found.trainable_params:,}" in said
    for row in found.gpus:
        line = next(line for line in said.splitlines() if row.gpu.name in line)
        assert line.split()[0] == row.fit.value
        assert ("$" in line) == (row.cost is not None)
    assert all(warning in said for warning in found.warnings)


def test_gpus_of_this_machine_and_of_the_catalogue():
    said = report.gpus_text(Probe((CARD,)), catalogue())
    assert "20.00 GB free of 24.00 GB, 50 °C" in said
    assert "no price known" in said
    assert "no driver here" in report.gpus_text(Probe((), "no driver here"), ())
    data = json.loads(json.dumps(report.gpus_json(Probe((CARD,)), catalogue())))
    assert data["devices"][0]["name"] == "NVIDIA L4"
    assert data["catalogue"][0]["name"] == "T4 (16GB)"
