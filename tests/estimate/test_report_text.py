"""What the command line prints of GPUs; `test_answer` reads what it prints of estimates."""

from __future__ import annotations

import json

from deepsynth_tui.estimate import report_text
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.machine.nvml import Device, Probe

CARD = Device(0, "NVIDIA L4", "GPU-1", 24 * 2**30, 20 * 2**30, 4 * 2**30, 50, None)


def test_gpus_of_this_machine_and_of_the_catalogue():
    said = report_text.gpus_text(Probe((CARD,)), load_catalogue())
    assert "20.00 GiB free of 24.00 GiB, 50 °C" in said
    assert "no price known" in said
    assert "no driver here" in report_text.gpus_text(Probe((), "no driver here"), ())
    data = json.loads(json.dumps(report_text.gpus_json(Probe((CARD,)), load_catalogue())))
    assert data["devices"][0]["name"] == "NVIDIA L4"
    assert data["catalogue"][0]["name"] == "T4 (16GB)"
