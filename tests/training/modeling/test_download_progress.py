"""Downloads are reported in bytes; nothing is drawn into the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils.tqdm import _get_progress_bar_context
from transformers import AutoModelForCausalLM

from deepsynth_tui.training.modeling.download_progress import NETWORK_BYTES, reporting_bar


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({"desc": "model.safetensors", "total": 100}, True),
        ({"desc": "Reconstructing (incomplete total...)", "total": 100}, True),
        ({"desc": NETWORK_BYTES, "total": 100}, False),
        ({"desc": "Fetching 4 files", "total": 4, "unit": "it"}, False),
        ({"desc": "of unknown size", "total": None}, False),
    ],
)
def test_the_bars_of_the_hub(
    options: dict[str, Any],
    reported: bool,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    reports: list[tuple[int, int]] = []
    bar_class: Any = reporting_bar(lambda done, total: reports.append((done, total)))
    context = _get_progress_bar_context(log_level=0, tqdm_class=bar_class, **options)
    with context as bar:
        bar.update(40)
        bar.refresh()
    assert (40, 100) in reports if reported else reports == []
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_loaded_with_it(language_model: Path) -> None:
    reports: list[tuple[int, int]] = []
    bar_class = reporting_bar(lambda done, total: reports.append((done, total)))
    AutoModelForCausalLM.from_pretrained(language_model, tqdm_class=bar_class)
    assert reports == []
