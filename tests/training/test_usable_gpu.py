"""A run refuses to train on the CPU of a machine whose GPU PyTorch cannot use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.machine.torch_build import TorchBuild
from deepsynth_tui.training import preflight
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.preflight import check
from deepsynth_tui.workflows import doctor
from tests.machine.test_torch_build import HIDDEN, MISMATCH, WITH_T4
from tests.training.conftest import configuration


def installed_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let preflight checks find a PyTorch built for CUDA."""
    build = TorchBuild("2.13.0+cu129", "12.9")
    monkeypatch.setattr(preflight, "installed_torch", lambda: build)


pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU here can be used")


@pytest.mark.parametrize("probe", [WITH_T4, HIDDEN, MISMATCH])
def test_a_model_is_not_loaded_onto_the_cpu_in_silence(
    probe: Probe, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(nvml, "probe", lambda: probe)
    with pytest.raises(TrainingError) as caught:
        load_model_and_processor(configuration(values))
    assert "train on the CPU" in caught.value.advice
    problems = check(configuration(values))
    assert [problem.key for problem in problems] == (
        [] if probe is MISMATCH else ["training.num_processes"]
    )


def test_doctor_refuses_what_a_run_refuses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(nvml, "probe", lambda: HIDDEN)
    finding = doctor._gpu()
    assert finding.fatal
    assert "hides every GPU" in finding.text
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not doctor._gpu().fatal


@pytest.mark.parametrize(
    ("module", "variables"),
    [
        (
            "training.job",
            {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "OMP_WAIT_POLICY": "passive"},
        ),
        ("adapters.try_out", {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
    ],
)
def test_a_process_sets_its_environment_first(module: str, variables: dict[str, str]):
    """GPUs have the numbers of NVML; threads of a job wait without spinning."""
    script = (
        f"import os, sys, json, deepsynth_tui.{module} as module\n"
        "assert 'torch' not in sys.modules\n"
        "try: module.main(['/no/such/folder'])\n"
        "except Exception: pass\n"
        "print(json.dumps(dict(os.environ)))"
    )
    environment = {**os.environ, "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    assert json.loads(done.stdout).items() >= variables.items()
