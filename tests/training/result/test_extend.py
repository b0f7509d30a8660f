"""A run that is extended goes on from its last checkpoint, to the bit, and says how."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import load_file as load_config
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.training.result.checkpoint_checksums import CHECKSUMS
from deepsynth_tui.training.result.checkpoint_record import RECORD
from deepsynth_tui.workflows import extend
from deepsynth_tui.workflows.extend import CannotExtend
from deepsynth_tui.workflows.resume import CannotResume, resumable_training_run
from tests.training.conftest import Ran, Run

# A schedule that does not depend on the number of steps: an extended run equals a longer one.
SETTINGS: dict[str, Any] = {
    "training__lr_scheduler_type": "constant_with_warmup",
    "training__warmup_steps": 2,
    "lora__lora_dropout": 0.3,
}


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"more_steps": 4}, {"more_epochs": 0.8}])
def test_an_extended_run_equals_a_longer_one(run: Run, home: Path, more: dict[str, Any]) -> None:
    whole = run(**SETTINGS, training__max_steps=7)
    short = run(**SETTINGS, training__max_steps=3)
    plan = extend.plan(home, short.run.id, **more)
    assert plan.step == 3
    assert plan.config.training.max_steps == 7
    assert "step 3" in plan.lines[0]
    assert "constant_with_warmup" in plan.lines[-1]
    extend.freeze(plan)
    extended = run(resume=short.run)

    assert extended.verdict == "completed", extended.failure
    assert extended.losses == whole.losses
    saved = load_file(extended.run.adapter / "adapter_model.safetensors")
    for name, value in load_file(whole.run.adapter / "adapter_model.safetensors").items():
        assert torch.equal(value, saved[name]), name
    (extension,) = json.loads((extended.run.adapter / "deepsynth.json").read_text())["extensions"]
    assert extension["step"] == 3
    assert extension["after"] == "training.max_steps: 7"
    assert "constant_with_warmup" in extension["schedule"]
    messages = [event.data["message"] for event in extended.of("warning")]
    assert any("goes on at step 3 with training.max_steps: 7" in text for text in messages)


@pytest.mark.slow
def test_a_run_of_epochs_gets_more_epochs_or_steps(run: Run, home: Path) -> None:
    ran = run(training__max_steps=-1, training__num_train_epochs=0.6)  # 5 steps are an epoch
    assert len(ran.losses) == 3
    training = extend.plan(home, "small", more_epochs=1).config.training
    assert (training.max_steps, training.num_train_epochs) == (-1, pytest.approx(1.6))
    assert extend.plan(home, str(ran.run.path), more_steps=5).config.training.max_steps == 8
    config = ran.run.path / "config.yaml"
    assert extend.plan(home, str(config), more_steps=5).config.training.max_steps == 8


@pytest.mark.slow
def test_the_cosine_schedule_spans_all_steps(run: Run, home: Path) -> None:
    ran = run(training__max_steps=3)
    plan = extend.plan(home, ran.run.id, more_steps=3)
    assert "cosine schedule spans all steps" in plan.lines[-1]
    extend.freeze(plan)
    extended = run(resume=ran.run)
    rates = [e.data["learning_rate"] for e in extended.of("metric") if "loss" in e.data]
    assert len(rates) == 6
    assert rates[3] > rates[2]
    assert rates[3:] == sorted(rates[3:], reverse=True)


@pytest.mark.slow
def test_early_stopping_begins_to_count_again(run: Run, home: Path) -> None:
    changes: dict[str, Any] = {
        "data__eval_fraction": 0.2,
        "training__eval_steps": 1,
        "training__save_steps": 1,
        "training__early_stopping_patience": 1,
        "training__max_steps": 30,
        "training__learning_rate": 3.0,
    }
    ran = run(**changes)
    before = len(ran.losses)
    assert before < 30
    extend.freeze(extend.plan(home, ran.run.id, more_steps=2))
    extended = run(resume=ran.run)
    assert len(extended.losses) > before


@pytest.mark.slow
def test_what_cannot_be_extended(run: Run, home: Path) -> None:
    dataset = create_run(home, kind="dataset", name="pages", config_text="kind: dataset\n")
    with pytest.raises(CannotExtend, match="not a training run"):
        extend.plan(home, dataset.id, more_steps=1)
    ran = run(training__max_steps=1)
    shutil.rmtree(ran.run.checkpoints)
    with pytest.raises(CannotExtend, match="no complete checkpoint"):
        extend.plan(home, ran.run.id, more_steps=1)


@pytest.mark.slow
def test_an_edited_configuration_is_compared_with_the_checkpoint(run: Run, home: Path) -> None:
    ran = run(training__max_steps=2)
    file = ran.run.config
    text = file.read_text()
    file.write_text(yaml_text.edit(text, {"lora.r": 8, "training.save_total_limit": 5}))
    failed = run(resume=ran.run)
    assert failed.exit_code == 1
    assert "lora.r: 4 -> 8 (a checkpoint depends on it)" in failed.failure
    assert "training.save_total_limit: 2 -> 5 (may change)" in failed.failure
    assert "Change lora.r back" in failed.failure
    assert len(failed.failure) < 1000
    with pytest.raises(CannotResume, match=r"lora\.r: 4 -> 8"):
        resumable_training_run(home, file, load_config(file).config)

    file.write_text(yaml_text.edit(text, {"data.max_length": 300}))
    assert resumable_training_run(home, file, load_config(file).config).id == ran.run.id
    assert run(resume=ran.run).verdict == "completed"

    # Runs of earlier versions have no record.
    file.write_text(text)
    for name in (RECORD, CHECKSUMS):
        for path in ran.run.checkpoints.glob(f"*/{name}"):
            path.unlink()
    again: Ran = run(resume=ran.run)
    assert again.verdict == "completed", again.failure
