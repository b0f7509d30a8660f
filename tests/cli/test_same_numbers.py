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
from deepsynth_tui.tui.fit.inputs import Known
from deepsynth_tui.units import GIB
from tests.cli.test_commands import command
from tests.estimate import models

MODEL = "Qwen/Qwen3-VL-4B-Instruct"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A model whose profile is known; no process has to build it."""
    save_layout(models.shipped(MODEL))
    path = tmp_path / "run.yaml"
    path.write_text(
        f"kind: training\nmodel: {{name_or_path: {MODEL}}}\ndata: {{path: {tmp_path}/pages}}\n"
        "training: {per_device_train_batch_size: 2}\n"
    )
    return path


async def test_interface_text_and_json_say_the_same(config: Path, tmp_path: Path):
    (tmp_path / "pages").mkdir()
    run = load_file(config).config
    assert isinstance(run, TrainingConfig)
    place = lengths_client.cache_path(run)
    assert place is not None
    place.parent.mkdir(parents=True)
    facts = RowStatistics(rows=90, lengths=(200, 900, 1500), counted=90, text=100, pages=1)
    place.write_text(json.dumps(facts.to_json()))

    known = Known()
    await known.find(run, lambda _: None)
    await known.count(run)
    grounds = known.grounds(run, None)
    assert grounds is not None
    found = fit_report(run, grounds)
    shown = found.estimate
    assert shown == grounds.estimate(run)  # what the panel shows
    assert shown.tokens_per_sample == 1500

    printed = json.loads(command("estimate", config, "--json").stdout)
    assert steady(json.loads(json.dumps(found.to_json(), default=dict))) == steady(printed)

    said = command("estimate", config).stdout
    assert f"needs {shown.needed / GIB:.2f} GiB" in said
    assert f"trains {shown.trainable_params:,} of {shown.total_params:,} parameters" in said
    for place in found.catalogue_gpus:
        line = next(line for line in said.splitlines() if place.name in line)
        assert line.split()[0] == place.fit.value
        assert f"batch {place.batch} " in line


def steady(data: dict[str, Any]) -> dict[str, Any]:
    """The answer without what this machine has free at the moment."""
    free = ("disk_free_bytes", "memory_free_bytes")
    storage = {key: value for key, value in data["storage"].items() if key not in free}
    return {**data, "storage": storage, "here": None}


def test_one_gpu_and_every_rank_can_be_asked_about(config: Path):
    said = command("estimate", config, "--gpu", "t4", "--ranks").stdout
    assert said.count("to fit T4 (16GB): ") == said.count("to fit ") == 1
    assert "--set " in said
    assert "* rank 16 " in said
    refused = command("estimate", config, "--gpu", "v100", code=2).stderr
    assert "one of V100 (16GB), V100 (32GB)" in refused
    assert "no GPU is called that" in command("estimate", config, "--gpu", "x1", code=2).stderr
