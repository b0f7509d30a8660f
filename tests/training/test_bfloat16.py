"""GPUs without bfloat16: the same refusal and the same change before a run, in it and in estimates.

Adapters need no mixed precision: their gradients are as good without it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from deepsynth_tui.config.precision import float16_changes
from deepsynth_tui.estimate import report_text
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.report import fit_report
from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.runs.job import JobFailed
from deepsynth_tui.training.preflight import check
from deepsynth_tui.training.usable_gpu import require_bfloat16
from tests.estimate import models
from tests.estimate.models import configure
from tests.machine.test_torch_build import T4
from tests.training.conftest import configuration
from tests.training.test_usable_gpu import installed_for_cuda

A10 = replace(T4, index=1, name="NVIDIA A10", compute_capability=(8, 6))


@pytest.mark.parametrize(
    ("devices", "changes", "keys"),
    [
        ((T4,), {"model__dtype": "bfloat16"}, ["model.dtype"]),
        ((T4,), {}, []),  # float32 without autocast
        ((A10, T4), {"model__dtype": "bfloat16"}, []),
        ((A10, T4), {"training__bf16": True, "training__num_processes": 2}, ["model.dtype"]),
        ((T4,), {"model__dtype": "float16", "training__fp16": True}, []),
    ],
)
def test_preflight_offers_float16(
    devices: tuple[nvml.Device, ...],
    changes: dict[str, Any],
    keys: list[str],
    values: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
):
    installed_for_cuda(monkeypatch)
    monkeypatch.setattr(nvml, "probe", lambda: Probe(devices))
    problems = check(configuration(values, **changes))
    assert [problem.key for problem in problems] == keys
    assert all("fp16: true" in problem.hint for problem in problems)
    assert all("no bfloat16" in problem.message for problem in problems)


def test_a_run_fails_with_the_change_that_a_retry_makes(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    def native_only(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", native_only)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    config = configuration(values, model__dtype="bfloat16", training__bf16=True)
    with pytest.raises(JobFailed) as caught:
        require_bfloat16(config)
    failure = caught.value.failure
    assert failure.changes == float16_changes(config)
    assert "Tesla T4 has no bfloat16" in failure.message
    assert "--retry" in failure.advice
    require_bfloat16(configuration(values))


def test_estimates_offer_float16_for_gpus_without_bfloat16():
    inputs = EstimateInputs(models.shipped("Qwen/Qwen3-VL-4B-Instruct"), gpus=load_catalogue())
    report = fit_report(configure(), inputs, [replace(T4, free=2**40)])
    data = json.loads(json.dumps(report.to_json(), default=dict))
    lacking = {gpu.name for gpu in load_catalogue() if not gpu.bfloat16}
    assert data["float16_change"].keys() == lacking
    assert data["here"][0]["float16_change"] == float16_changes(configure())
    assert "no bfloat16" in report_text.gpus_text(Probe((T4,)), ())
    text = report_text.report_text(report, "title")
    assert "GPU 0: Tesla T4 has no bfloat16" in text
    assert "--set training.fp16=true" in text
    assert "V100 (16GB) has no" in report_text.report_text(report, "title", gpu="V100 (16GB)")
    done = configure(
        model={"dtype": "float16"},
        training={"bf16": False, "fp16": True},
        quantization={"compute_dtype": "float16"},
    )
    assert fit_report(done, inputs, [T4]).to_json()["float16_change"] == {}


def test_adapters_learn_as_well_without_autocast(language_model: Path):
    """Errors of their gradients in bfloat16 are those of autocast."""

    def gradient(dtype: torch.dtype, *, autocast: bool) -> torch.Tensor:
        model = AutoModelForCausalLM.from_pretrained(language_model, dtype=dtype)
        torch.manual_seed(0)
        lora = LoraConfig(target_modules="all-linear", r=4, init_lora_weights=False)
        adapted = get_peft_model(model, lora)
        ids = torch.arange(1, 30)[None] % 20
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            adapted(input_ids=ids, labels=ids).loss.backward()
        trained = [p for p in adapted.parameters() if p.requires_grad]
        assert {parameter.dtype for parameter in trained} == {torch.float32}
        return torch.cat([p.grad.flatten() for p in trained if p.grad is not None])

    exact = gradient(torch.float32, autocast=False)
    errors = [
        float((gradient(torch.bfloat16, autocast=autocast) - exact).norm() / exact.norm())
        for autocast in (True, False)
    ]
    assert errors[1] < 2 * errors[0]
    assert errors[1] < 0.1
