"""A run with page features: the same losses, fewer passes of the vision tower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.training.features.store import features_dir
from tests.training.conftest import Ran, Run

pytestmark = pytest.mark.slow

TWO_EPOCHS: dict[str, Any] = {
    "training__per_device_train_batch_size": 1,
    "training__gradient_accumulation_steps": 2,
    "training__max_steps": 8,  # an epoch has four
    "training__eval_steps": 4,
    "data__eval_fraction": 0.2,
}


def _entries() -> list[Path]:
    return sorted(features_dir().glob("*/*/*.safetensors"))


def _metrics(ran: Ran) -> list[dict[str, Any]]:
    assert ran.exit_code == 0, ran.failure
    timed = ("tokens_per_second", "data_wait")
    return [
        {name: value for name, value in event.data.items() if name not in timed}
        for event in ran.of("metric")
    ]


def test_losses_and_metrics_do_not_depend_on_the_cache(run: Run) -> None:
    off = run(**TWO_EPOCHS, training__cache_features="off")
    assert _entries() == []
    on = run(**TWO_EPOCHS, training__cache_features="on")
    assert len(_entries()) == 10
    assert _metrics(on) == _metrics(off)
    auto = run(**TWO_EPOCHS, training__dataloader_num_workers=2)
    assert _metrics(auto) == _metrics(off)
    assert json.loads((auto.run.path / "page-features.json").read_text())["caches"]
    assert on.of("done")[-1].data["verification"]["reproduces"]


def test_a_single_pass_is_not_cached(run: Run) -> None:
    ran = run(training__max_steps=2)
    assert ran.exit_code == 0, ran.failure
    assert not json.loads((ran.run.path / "page-features.json").read_text())["caches"]
    assert len(_entries()) == 1  # the page that was compared


def test_a_damaged_entry_is_encoded_again(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    first = run(**TWO_EPOCHS, training__cache_features="on")
    cut, changed, *_ = _entries()
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    whole = changed.read_bytes()
    changed.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    again = run(**TWO_EPOCHS, training__cache_features="on")

    assert _metrics(again) == _metrics(first)
    assert cut.read_bytes() == content
    assert changed.read_bytes() == whole
    warnings = [str(event.data["message"]) for event in again.of("warning")]
    assert "2 page features were damaged, and computed again" in warnings
