"""The fit report: screens, text and JSON show the same figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deepsynth_tui.estimate import report_text
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.report import FitReport, fit_report
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import Fit, load_catalogue
from deepsynth_tui.machine.nvml import Device
from deepsynth_tui.models.layout import save_layout
from deepsynth_tui.training.data import lengths_client
from deepsynth_tui.units import GIB
from deepsynth_tui.workflows.estimate import gather_inputs
from tests.estimate import models
from tests.estimate.models import configure
from tests.estimate.test_closed_form import KEYS

DENSE = "Qwen/Qwen3-VL-4B-Instruct"
DEVICE = Device(0, "NVIDIA L4", "GPU-1", 24 * GIB, 6 * GIB, 18 * GIB, 50, None)


def report_for(**sections: dict[str, Any]) -> FitReport:
    inputs = EstimateInputs(models.shipped(DENSE), gpus=load_catalogue())
    return fit_report(configure(**sections), inputs, [DEVICE])


def test_all_gpu_fits_follow_from_one_estimate():
    report = report_for(training={"max_steps": 100})
    catalogue = [gpu.name for gpu in load_catalogue()]
    assert [gpu_fit.name for gpu_fit in report.catalogue_gpus] == catalogue
    for gpu_fit, row in zip(report.catalogue_gpus, report.estimate.gpus, strict=True):
        assert (gpu_fit.fit, gpu_fit.headroom) == (row.fit, row.headroom)
        assert (gpu_fit.batch == 0) == (gpu_fit.fit is Fit.NO)  # the configured batch size is 1
        assert gpu_fit.fit is Fit.NO or gpu_fit.fix is None
    (device_fit,) = report.machine_gpus
    assert (device_fit.name, device_fit.available) == ("GPU 0: NVIDIA L4", 6 * GIB)
    assert device_fit.fit is Fit.NO
    assert device_fit.fix is not None
    assert device_fit.fix.headroom == 6 * GIB - device_fit.fix.needed


def test_the_json_has_every_documented_key_with_the_values_of_the_report():
    report = report_for(training={"max_steps": 100})
    data = json.loads(json.dumps(report.to_json(), default=dict))
    assert data.keys() >= KEYS
    assert {key: data[key] for key in KEYS if key != "warnings"} == {
        key: value for key, value in report.estimate.to_json().items() if key in KEYS - {"warnings"}
    }
    assert data["largest_batch"] == {gpu.name: gpu.batch for gpu in report.catalogue_gpus}
    assert data["cheapest_change"].keys() == {n for n, fits in data["gpu_fit"].items() if not fits}
    assert data["here"][0]["cheapest_change"]["changes"]
    assert [rank["r"] for rank in data["ranks"]] == [4, 8, 16, 32, 64, 128]
    assert data["storage"]["checkpoints"] == 1
    assert data["dataset"] == {"rows": None, "counted_rows": 0}


def test_the_text_has_the_values_of_the_json():
    report = report_for(
        data={"max_length": 16_384}, training={"max_steps": 100, "per_device_train_batch_size": 16}
    )
    text = report_text.report_text(report, "run.yaml")
    lines = text.splitlines()
    assert lines[0] == "run.yaml"
    assert f"needs {report.estimate.needed / GIB:.2f} GiB" in text
    for gpu_fit, row in zip(report.catalogue_gpus, report.estimate.gpus, strict=True):
        start = f"{gpu_fit.fit.value:<6}{gpu_fit.name}"
        line = next(line for line in lines if line.strip().startswith(start))
        assert f"batch {gpu_fit.batch}" in line
        assert ("$" in line) == (row.cost is not None)
    assert "no change of one or two settings makes it fit GPU 0: NVIDIA L4" in text
    for tower, modules in report.estimate.to_json()["adapted_by_tower"].items():
        assert report.estimate.trainable_by_tower[tower] > 0
        assert f"{sum(modules.values())} adapters: " in text
        assert all(f"{name} x {count}" in text for name, count in modules.items())
    assert "language" in report.estimate.to_json()["adapted_by_tower"]
    assert "disk " in text
    assert "main memory " in text


def test_the_text_can_show_the_fix_of_one_gpu():
    report = report_for(training={"per_device_train_batch_size": 16})
    text = report_text.report_text(report, "run.yaml", gpu="T4 (16GB)")
    (gpu_fit,) = [gpu for gpu in report.catalogue_gpus if gpu.name == "T4 (16GB)"]
    assert gpu_fit.fix is not None
    flags = " ".join(f"--set {key}=" for key in gpu_fit.fix.changes)
    for flag in flags.split(" --set "):
        assert flag.removeprefix("--set ").strip() in text
    assert text.count("to fit ") == 1
    h200_text = report_text.report_text(report, "", gpu="H200 (141GB)")
    assert "H200 (141GB) needs no change" in h200_text
    (device_fit,) = report_for().machine_gpus
    assert device_fit.fix is not None
    default_text = report_text.report_text(report_for(), "run.yaml")
    assert f"to fit {device_fit.name}: {device_fit.fix.words}" in default_text


def test_every_rank_is_a_line():
    lines = report_text.ranks_text(report_for()).splitlines()
    assert len(lines) == 6
    assert [line for line in lines if "*" in line] == [lines[2]]
    assert "rank 16" in lines[2]


def test_a_refined_estimate_replaces_the_closed_form():
    def double(estimate: Estimate) -> Estimate:
        breakdown = {item: 2 * size for item, size in estimate.breakdown.items()}
        return replace(estimate, breakdown=breakdown, source="simulated")

    inputs = EstimateInputs(models.shipped(DENSE), gpus=load_catalogue())
    report = fit_report(configure(), inputs, refine=double)
    assert report.estimate.source == "simulated"
    for gpu_fit in report.catalogue_gpus:
        assert gpu_fit.headroom == gpu_fit.available - report.estimate.needed


def test_an_uncountable_dataset_gives_a_warning_and_the_length_limit(home: Any):
    save_layout(models.shipped(DENSE))
    config = configure(model={"name_or_path": DENSE}, data={"path": "/no/such/folder"})
    report = fit_report(config, gather_inputs(config))
    assert report.estimate.tokens_per_sample == config.data.max_length
    assert any(
        "/no/such/folder is not a file, not a folder" in text for text in report.estimate.warnings
    )
    assert report.to_json()["estimated_vram_gb"] * GIB == report.estimate.needed


def test_counted_rows_set_the_length(monkeypatch: pytest.MonkeyPatch):
    save_layout(models.shipped(DENSE))
    statistics = RowStatistics(rows=80, lengths=(300, 700), counted=80)
    monkeypatch.setattr(lengths_client, "request_row_statistics", lambda config: statistics)
    config = configure(model={"name_or_path": DENSE}, data={"path": "pages"})
    report = fit_report(config, gather_inputs(config))
    assert report.estimate.tokens_per_sample == 700
    assert report.estimate.steps == 30
    assert "longest row 700 tokens (counted in 80 rows)" in report_text.report_text(report, "")
