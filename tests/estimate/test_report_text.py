"""The GPU list of the command line. `test_report` tests the text of estimates."""

from __future__ import annotations

import json

from deepsynth_tui.estimate import report_text
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.machine.nvml import Device, Probe

DEVICE = Device(0, "NVIDIA L4", "GPU-1", 24 * 2**30, 20 * 2**30, 4 * 2**30, 50, None)


def test_gpus_of_this_machine_and_of_the_catalogue():
    text = report_text.gpus_text(Probe((DEVICE,)), load_catalogue())
    assert "20.00 GiB free of 24.00 GiB, 50 °C" in text
    assert "no price known" in text
    assert "no driver here" in report_text.gpus_text(Probe((), "no driver here"), ())
    data = json.loads(json.dumps(report_text.gpus_json(Probe((DEVICE,)), load_catalogue())))
    assert data["devices"][0]["name"] == "NVIDIA L4"
    assert data["catalogue"][0]["name"] == "T4 (16GB)"
