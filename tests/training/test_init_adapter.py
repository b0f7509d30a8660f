"""A second stage starts from the adapter of the first, and from nothing that does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from deepsynth_tui.training.preflight import check
from tests.training.conftest import Run, configuration
from tests.training.text_encoder.conftest import encoder_settings

WEIGHTS = "adapter_model.safetensors"


def _adapter(folder: Path, **settings: Any) -> Path:
    folder.mkdir()
    content = {
        "peft_type": "LORA",
        "base_model_name_or_path": "org/base",
        "r": 4,
        "lora_alpha": 8,
        "bias": "none",
        "rank_pattern": {},
    }
    (folder / "adapter_config.json").write_text(json.dumps(content | settings))
    (folder / WEIGHTS).touch()
    return folder


@pytest.mark.slow
def test_a_second_stage_starts_where_the_first_ended(run: Run) -> None:
    first = run(training__max_steps=6)
    tiny: dict[str, Any] = {"training__learning_rate": 1e-12, "training__max_steps": 1}
    for reference in (str(first.run.adapter), first.run.id, str(first.run.path)):
        second = run(lora__init_from=reference, **tiny)
        assert second.verdict == "completed", second.failure
        before = load_file(first.run.adapter / WEIGHTS)
        after = load_file(second.run.adapter / WEIGHTS)
        for name, value in before.items():
            assert torch.allclose(value, after[name], atol=1e-9), name
        assert second.losses[0] < first.losses[0] - 0.2
    lineage = json.loads((second.run.adapter / "deepsynth.json").read_text())
    assert lineage["init_from"]["path"] == str(first.run.adapter.resolve())
    assert "started from the adapter" in (second.run.adapter / "README.md").read_text()
    resumed = run(resume=second.run)
    assert resumed.verdict == "completed", resumed.failure

    other = run(lora__init_from=first.run.id, lora__target_modules=["q_proj"], **tiny)
    assert "adapts other modules" in other.failure
    assert "lora.target_modules" in other.failure


@pytest.mark.slow
def test_the_text_encoder_goes_on_too(run: Run) -> None:
    settings = encoder_settings("bert", trainable="lora")
    first = run(text_encoder=settings, training__max_steps=4)
    second = run(
        text_encoder=settings,
        lora__init_from=first.run.id,
        training__max_steps=1,
        training__learning_rate=1e-12,
    )
    assert second.verdict == "completed", second.failure
    part = Path("text_encoder", "projection.safetensors")
    saved = load_file(second.run.adapter / part)
    for name, value in load_file(first.run.adapter / part).items():
        assert torch.allclose(value, saved[name], atol=1e-9), name
    without = run(lora__init_from=first.run.id, training__max_steps=1)
    assert "was trained with a text encoder" in without.failure


def test_what_does_not_fit_is_found_before_the_run(
    values: dict[str, Any], vision_model: Path, tmp_path: Path
) -> None:
    base = {"base_model_name_or_path": str(vision_model)}

    def problems(name: str) -> dict[str, str]:
        found = check(configuration(values, lora__init_from=name))
        return {problem.key: f"{problem.message} {problem.hint}" for problem in found}

    assert problems(str(_adapter(tmp_path / "fits", **base))) == {}
    other = problems(str(_adapter(tmp_path / "other")))
    assert "trained on org/base, not on" in other["lora.init_from"]
    assert str(vision_model) in other["lora.init_from"]
    rank = problems(str(_adapter(tmp_path / "rank", **base, r=16, rank_pattern={"q_proj": 2})))
    assert rank["lora.r"].endswith("has 16 set it to 16")
    assert "q_proj" in rank["lora.rank_pattern"]
    pissa = problems(str(_adapter(tmp_path / "pissa", **base, init_lora_weights="pissa")))
    assert "initialized with pissa" in pissa["lora.init_from"]
    assert "LOHA" in problems(str(_adapter(tmp_path / "loha", peft_type="LOHA")))["lora.init_from"]
    assert "no adapter and no run" in problems("/nowhere")["lora.init_from"]
    assert problems("org/on-the-hub") == {}
