"""One configuration, one set of numbers: in the interface, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.report import fit_report
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.layout import save_layout
from deepsynth_tui.training.data import lengths_client
from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache
from deepsynth_tui.units import GIB
from tests.cli.test_commands import command
from tests.estimate import models

MODEL = "Qwen/Qwen3-VL-4B-Instruct"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A model whose layout is cached; no process has to build it."""
    save_layout(models.shipped(MODEL))
    path = tmp_path / "run.yaml"
    path.write_text(
        f"kind: training\nmodel: {{name_or_path: {MODEL}}}\ndata: {{path: {tmp_path}/pages}}\n"
        "training: {per_device_train_batch_size: 2}\n"
    )
    return path


async def test_interface_text_and_json_say_the_same(config: Path, tmp_path: Path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "rows.jsonl").touch()
    run = load_file(config).config
    assert isinstance(run, TrainingConfig)
    path = lengths_client.cache_path(run)
    assert path is not None
    path.parent.mkdir(parents=True)
    statistics = RowStatistics(rows=90, lengths=(200, 900, 1500), counted=90, text=100, pages=1)
    path.write_text(json.dumps(statistics.to_json()))

    cache = EstimateInputsCache()
    await cache.load(run, lambda _: None)
    await cache.count_rows(run)
    inputs = cache.inputs_for(run, None)
    assert inputs is not None
    report = fit_report(run, inputs)
    estimate = report.estimate
    assert estimate == inputs.estimate(run)  # what the panel shows
    assert estimate.tokens_per_sample == 1500

    printed = json.loads(command("estimate", config, "--json").stdout)
    assert steady(json.loads(json.dumps(report.to_json(), default=dict))) == steady(printed)

    text = command("estimate", config).stdout
    assert f"needs {estimate.needed / GIB:.2f} GiB" in text
    assert f"trains {estimate.trainable_params:,} of {estimate.total_params:,} parameters" in text
    for gpu in report.catalogue_gpus:
        line = next(line for line in text.splitlines() if gpu.name in line)
        assert line.split()[0] == gpu.fit.value
        assert f"batch {gpu.batch} " in line


def steady(data: dict[str, Any]) -> dict[str, Any]:
    """The JSON without the free disk and memory of this moment."""
    free = ("disk_free_bytes", "memory_free_bytes")
    storage = {key: value for key, value in data["storage"].items() if key not in free}
    return {**data, "storage": storage, "here": None}


def test_one_gpu_and_every_rank_can_be_asked_about(config: Path):
    large = "training.per_device_train_batch_size=16"
    text = command("estimate", config, "--gpu", "t4", "--ranks", "--set", large).stdout
    assert text.count("to fit T4 (16GB): ") == text.count("to fit ") == 1
    assert "--set " in text
    assert "* rank 16 " in text
    refused = command("estimate", config, "--gpu", "v100", code=2).stderr
    assert "use one of V100 (16GB), V100 (32GB)" in refused
    assert "no GPU matches" in command("estimate", config, "--gpu", "x1", code=2).stderr
