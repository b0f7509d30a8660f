"""The GPU catalogue, the fit classes, and the probe of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.machine.gpu_catalogue import CatalogueError, Fit, catalogue_path, load_catalogue
from deepsynth_tui.machine.nvml import probe


def gpu_named(name: str):
    return next(gpu for gpu in load_catalogue() if gpu.name == name)


def test_the_catalogue_starts_with_the_four_documented_gpus():
    names = [gpu.name for gpu in load_catalogue()]
    assert names[:4] == ["T4 (16GB)", "RTX 3090 (24GB)", "A100 (40GB)", "A100 (80GB)"]
    assert len(set(names)) == len(names) >= 14


def test_a_price_has_a_source_with_a_date():
    for gpu in load_catalogue():
        assert (gpu.price_per_hour is None) == (gpu.price_source is None)
        if gpu.price_source is not None:
            assert any(part.startswith("20") for part in gpu.price_source.split())


def test_fit_classes_by_usable_memory():
    gpu = gpu_named("RTX 3090 (24GB)")
    assert gpu.usable_bytes < 24 * 2**30
    assert gpu.fit(gpu.usable_bytes // 2) is Fit.FITS
    assert gpu.fit(int(gpu.usable_bytes * 0.95)) is Fit.TIGHT
    assert gpu.fit(gpu.usable_bytes) is Fit.TIGHT
    assert gpu.fit(gpu.usable_bytes + 1) is Fit.NO


def test_the_users_catalogue_replaces_the_shipped_one_and_is_reloaded(home: Path):
    shipped = presets_dir() / "gpus.yaml"
    assert catalogue_path() == shipped
    entry = yaml.safe_load(shipped.read_text("utf-8"))["gpus"][0]
    user_file = home / "gpus.yaml"
    user_file.parent.mkdir(parents=True)
    user_file.write_text(
        yaml.safe_dump({"gpus": [entry | {"name": "Mine", "price_per_hour": 9.5}]})
    )
    assert [(gpu.name, gpu.price_per_hour) for gpu in load_catalogue()] == [("Mine", 9.5)]
    user_file.write_text(yaml.safe_dump({"gpus": [entry | {"name": "Other"}]}))
    os.utime(user_file, ns=(1, 1))
    assert [gpu.name for gpu in load_catalogue()] == ["Other"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpus: [{name: A}]", "memory_gib"),
        ("cards: []", "gpus"),
        ("gpus: [", "gpus.yaml"),
        ("[]", "gpus.yaml"),
        (
            "gpus: [{name: A, memory_gib: 8, usable_gib: 9, bandwidth_gbs: 1, tflops: 1, "
            "bfloat16: true, price_per_hour: null, price_source: null}]",
            "usable_gib <= memory_gib",
        ),
    ],
)
def test_an_invalid_catalogue_raises_an_error(home: Path, text: str, message: str):
    home.mkdir(parents=True)
    (home / "gpus.yaml").write_text(text)
    with pytest.raises(CatalogueError, match=message):
        load_catalogue()


def test_a_probe_without_devices_has_a_reason():
    result = probe()
    assert bool(result.devices) != bool(result.reason)
    if not result.devices:
        assert "driver" in result.reason
