"""One answer for screens, text and JSON: the same call, the same numbers, all keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deepsynth_tui.estimate import report_text
from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.report import FitReport, fit_report
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
CARD = Device(0, "NVIDIA L4", "GPU-1", 24 * GIB, 6 * GIB, 18 * GIB, 50, None)


def of(**sections: dict[str, Any]) -> FitReport:
    grounds = EstimateInputs(models.shipped(DENSE), gpus=load_catalogue())
    return fit_report(configure(**sections), grounds, [CARD])


def test_everything_follows_from_one_estimate():
    found = of(training={"max_steps": 100})
    assert [place.name for place in found.catalogue_gpus] == [gpu.name for gpu in load_catalogue()]
    for place, row in zip(found.catalogue_gpus, found.estimate.gpus, strict=True):
        assert (place.fit, place.headroom) == (row.fit, row.headroom)
        assert (place.batch == 0) == (place.fit is Fit.NO)  # a batch of 1 is asked about
        assert place.fit is Fit.NO or place.fix is None
    (here,) = found.machine_gpus
    assert (here.name, here.available, here.fit) == ("GPU 0: NVIDIA L4", 6 * GIB, Fit.NO)
    assert here.fix is not None
    assert here.fix.headroom == 6 * GIB - here.fix.needed


def test_the_json_has_every_key_of_the_contract_and_says_the_same():
    found = of(training={"max_steps": 100})
    data = json.loads(json.dumps(found.to_json(), default=dict))
    assert data.keys() >= KEYS
    assert {key: data[key] for key in KEYS if key != "warnings"} == {
        key: value for key, value in found.estimate.to_json().items() if key in KEYS - {"warnings"}
    }
    assert data["largest_batch"] == {place.name: place.batch for place in found.catalogue_gpus}
    assert data["cheapest_change"].keys() == {n for n, fits in data["gpu_fit"].items() if not fits}
    assert data["here"][0]["cheapest_change"]["changes"]
    assert [rank["r"] for rank in data["ranks"]] == [4, 8, 16, 32, 64, 128]
    assert data["storage"]["checkpoints"] == 1
    assert data["dataset"] == {"rows": None, "counted_rows": 0}


def test_the_text_says_what_the_json_says():
    found = of(training={"max_steps": 100, "per_device_train_batch_size": 4})
    said = report_text.report_text(found, "run.yaml")
    lines = said.splitlines()
    assert lines[0] == "run.yaml"
    assert f"needs {found.estimate.needed / GIB:.2f} GiB" in said
    for place, row in zip(found.catalogue_gpus, found.estimate.gpus, strict=True):
        line = next(
            line for line in lines if line.strip().startswith(f"{place.fit.value:<6}{place.name}")
        )
        assert f"batch {place.batch}" in line
        assert ("$" in line) == (row.cost is not None)
    assert "no change of one or two settings makes it fit GPU 0: NVIDIA L4" in said
    for tower, called in found.estimate.to_json()["adapted_by_tower"].items():
        assert found.estimate.trainable_by_tower[tower] > 0
        assert f"{sum(called.values())} adapters: " in said
        assert all(f"{name} x {times}" in said for name, times in called.items())
    assert "language" in found.estimate.to_json()["adapted_by_tower"]
    assert "disk " in said
    assert "main memory " in said


def test_what_would_help_can_be_asked_of_one_gpu():
    found = of(training={"per_device_train_batch_size": 4})
    said = report_text.report_text(found, "run.yaml", gpu="T4 (16GB)")
    (place,) = [place for place in found.catalogue_gpus if place.name == "T4 (16GB)"]
    assert place.fix is not None
    flags = " ".join(f"--set {key}=" for key in place.fix.changes)
    for flag in flags.split(" --set "):
        assert flag.removeprefix("--set ").strip() in said
    assert said.count("to fit ") == 1
    assert "H200 (141GB) needs no change" in report_text.report_text(found, "", gpu="H200 (141GB)")
    (here,) = of().machine_gpus
    assert here.fix is not None
    assert f"to fit {here.name}: {here.fix.words}" in report_text.report_text(of(), "run.yaml")


def test_every_rank_is_a_line():
    lines = report_text.ranks_text(of()).splitlines()
    assert len(lines) == 6
    assert [line for line in lines if "*" in line] == [lines[2]]
    assert "rank 16" in lines[2]


def test_a_better_estimate_takes_the_place_of_the_computed_one():
    def twice(estimate: Estimate) -> Estimate:
        from dataclasses import replace

        doubled = {item: 2 * size for item, size in estimate.breakdown.items()}
        return replace(estimate, breakdown=doubled, source="simulated")

    config, grounds = configure(), EstimateInputs(models.shipped(DENSE), gpus=load_catalogue())
    found = fit_report(config, grounds, refine=twice)
    assert found.estimate.source == "simulated"
    for place in found.catalogue_gpus:
        assert place.headroom == place.available - found.estimate.needed


def test_what_cannot_be_counted_is_said_and_the_limit_assumed(home: Any):
    save_layout(models.shipped(DENSE))
    config = configure(model={"name_or_path": DENSE}, data={"path": "/no/such/folder"})
    found = fit_report(config, gather_inputs(config))
    assert found.estimate.tokens_per_sample == config.data.max_length
    assert any("/no/such/folder is no folder" in text for text in found.estimate.warnings)
    assert found.to_json()["estimated_vram_gb"] * GIB == found.estimate.needed


def test_counted_rows_decide_the_length(monkeypatch: pytest.MonkeyPatch):
    save_layout(models.shipped(DENSE))
    facts = RowStatistics(rows=80, lengths=(300, 700), counted=80)
    monkeypatch.setattr(lengths_client, "request_row_statistics", lambda config: facts)
    config = configure(model={"name_or_path": DENSE}, data={"path": "pages"})
    found = fit_report(config, gather_inputs(config))
    assert found.estimate.tokens_per_sample == 700
    assert found.estimate.steps == 30
    assert "longest row 700 tokens (counted in 80 rows)" in report_text.report_text(found, "")
