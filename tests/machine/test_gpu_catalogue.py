"""The GPU catalogue, fit in three answers, and the probe of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.machine.gpu_catalogue import CatalogueError, Fit, catalogue_path, load_catalogue
from deepsynth_tui.machine.nvml import probe


def gpu(name: str):
    return next(found for found in load_catalogue() if found.name == name)


def test_the_four_of_the_contract_come_first_among_at_least_fourteen():
    names = [found.name for found in load_catalogue()]
    assert names[:4] == ["T4 (16GB)", "RTX 3090 (24GB)", "A100 (40GB)", "A100 (80GB)"]
    assert len(set(names)) == len(names) >= 14


def test_a_price_has_a_source_with_a_date():
    for found in load_catalogue():
        assert (found.price_per_hour is None) == (found.price_source is None)
        if found.price_source is not None:
            assert any(part.startswith("20") for part in found.price_source.split())


def test_fit_has_three_answers():
    card = gpu("RTX 3090 (24GB)")
    assert card.usable_bytes < 24 * 2**30
    assert card.fit(card.usable_bytes // 2) is Fit.FITS
    assert card.fit(int(card.usable_bytes * 0.95)) is Fit.TIGHT
    assert card.fit(card.usable_bytes) is Fit.TIGHT
    assert card.fit(card.usable_bytes + 1) is Fit.NO


def test_a_persons_own_catalogue_wins_and_is_read_again_when_changed(home: Path):
    shipped = presets_dir() / "gpus.yaml"
    assert catalogue_path() == shipped
    entry = yaml.safe_load(shipped.read_text("utf-8"))["gpus"][0]
    own = home / "gpus.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(yaml.safe_dump({"gpus": [entry | {"name": "Mine", "price_per_hour": 9.5}]}))
    assert [(found.name, found.price_per_hour) for found in load_catalogue()] == [("Mine", 9.5)]
    own.write_text(yaml.safe_dump({"gpus": [entry | {"name": "Other"}]}))
    os.utime(own, ns=(1, 1))
    assert [found.name for found in load_catalogue()] == ["Other"]


@pytest.mark.parametrize(
    ("text", "said"),
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
def test_a_broken_catalogue_says_what_is_wrong(home: Path, text: str, said: str):
    home.mkdir(parents=True)
    (home / "gpus.yaml").write_text(text)
    with pytest.raises(CatalogueError, match=said):
        load_catalogue()


def test_this_machine_without_a_driver_says_so():
    found = probe()
    assert bool(found.devices) != bool(found.reason)
    if not found.devices:
        assert "driver" in found.reason
