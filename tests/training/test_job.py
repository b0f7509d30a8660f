"""Whole jobs on a small model: what they train, what they write, and what a stop leaves."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

from deepsynth_tui.config import yaml_text
from deepsynth_tui.runs.control import request_stop
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.job import Job
from deepsynth_tui.training import run as training_run
from deepsynth_tui.training.result.verify import Verification
from tests.training.conftest import Ran, Run, configuration
from tests.training.small_datasets import row
from tests.training.small_models import language_model as make_language_model

pytestmark = pytest.mark.slow


def _inputs(folder: Path) -> dict[str, torch.Tensor]:
    from deepsynth_tui.training.data.pages import load_page

    processor = AutoProcessor.from_pretrained(folder)
    stored = row(0)["images"][0]
    settings = configuration(
        {"kind": "training", "model": {"name_or_path": "x/y"}, "data": {"path": "x"}}
    ).model
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
    text = processor.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
    return processor(text=[text], images=[[load_page(stored, settings)]], return_tensors="pt")


def test_a_process_trains_and_peft_alone_loads_the_adapter(
    home: Path, values: dict[str, Any], vision_model: Path
) -> None:
    config = configuration(values, training__max_steps=20)
    run = create_run(
        home,
        kind="training",
        name="small",
        config_text=yaml_text.dump(config.model_dump()),
    )
    job = ["-m", "deepsynth_tui.training.job", str(run.path)]
    command = [sys.executable, "-X", "importtime", *job]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "bitsandbytes" in imported
    # Not the compiler, nor the library that scores generated answers.
    assert not {"torch._inductor.compile_fx", "rapidfuzz"} & imported
    ran = Ran(run, done.returncode)
    assert ran.verdict == "completed"
    assert len(ran.losses) == 20
    assert ran.losses[-1] < 0.8 * ran.losses[0]
    assert "step 20/20  loss " in done.stdout
    assert "trainable in the language tower" in done.stdout
    assert "\r" not in done.stdout + done.stderr

    inputs = _inputs(run.adapter)
    base = AutoModelForImageTextToText.from_pretrained(vision_model).eval()
    with torch.no_grad():
        before = base(**inputs).logits
        after = PeftModel.from_pretrained(base, str(run.adapter)).eval()(**inputs).logits
    assert (after - before).abs().max() > 0.1

    verification = ran.of("done")[-1].data["verification"]
    assert verification["from_trained"] == 0
    assert verification["from_base"] > 0.01
    before_sample, after_sample = ran.of("sample")
    assert (before_sample.data["when"], after_sample.data["when"]) == ("before", "after")
    assert after_sample.data["loss"] < before_sample.data["loss"]
    lineage = json.loads((run.adapter / "deepsynth.json").read_text())
    assert lineage["config"]["lora"]["r"] == 4
    assert lineage["metrics"]["last_loss"] == pytest.approx(ran.losses[-1])
    assert not [path for path in run.adapter.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]


def test_metrics_and_phases(run: Run) -> None:
    ran = run(data__eval_fraction=0.2, training__eval_steps=2, training__save_steps=2)

    metric = ran.of("metric")[0].data
    assert {"step", "epoch", "loss", "learning_rate", "grad_norm", "tokens_per_second"} <= set(
        metric
    )
    evaluated = [event.data["step"] for event in ran.of("metric") if "eval_loss" in event.data]
    assert evaluated == [2, 3]
    assert [event.data["step"] for event in ran.of("checkpoint")] == [2, 3]
    phases = [event.data["name"] for event in ran.of("phase")]
    wanted = ["loading", "preparing", "training", "saving", "verifying"]
    assert [name for name in phases if name in wanted] == wanted
    assert ran.of("memory")[0].data["host"] > 100 << 20


def test_without_eval_steps_the_end_is_evaluated(run: Run) -> None:
    ran = run(data__eval_fraction=0.2)

    assert [e.data["step"] for e in ran.of("metric") if "eval_loss" in e.data] == [3]
    assert "evaluating" in [event.data["name"] for event in ran.of("phase")]
    assert "eval_loss" in ran.of("done")[-1].data


def test_only_language_adapters_move(run: Run, vision_model: Path) -> None:
    ran = run(training__max_steps=2, training__learning_rate=0.05)

    saved = load_file(ran.run.adapter / "adapter_model.safetensors")
    assert saved
    assert all(".text_model.layers." in name for name in saved)
    assert any(bool(value.any()) for name, value in saved.items() if "lora_B" in name)
    training = next(e for e in ran.of("phase") if e.data["name"] == "training")
    assert training.data["trainable"] == {"language": sum(v.numel() for v in saved.values())}
    seven = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert training.data["adapted"] == {"language": dict.fromkeys(seven, 2)}


def test_vision_tower_and_projector_train_unless_frozen(run: Run) -> None:
    ran = run(model__freeze_vision_tower=False, model__freeze_projector=False)

    names = " ".join(load_file(ran.run.adapter / "adapter_model.safetensors"))
    assert ".vision_model.encoder.layers.0.self_attn.q_proj" in names
    assert ".connector.modality_projection.proj" in names
    assert ran.verdict == "completed"


@pytest.mark.parametrize("frozen", [True, False])
def test_full_fine_tuning(run: Run, vision_model: Path, frozen: bool) -> None:
    ran = run(lora__enabled=False, model__freeze_vision_tower=frozen)

    assert ran.verdict == "completed"
    assert not ran.run.adapter.exists()
    before = load_file(vision_model / "model.safetensors")
    after = load_file(ran.run.path / "model" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("text_model" in name for name in moved)
    assert any("vision_model" in name for name in moved) is not frozen
    assert not any("connector" in name for name in moved)
    AutoModelForImageTextToText.from_pretrained(ran.run.path / "model")
    assert ran.of("done")[-1].data["verification"]["from_trained"] == 0


@pytest.mark.parametrize("chat_template", [True, False])
def test_a_language_model_gets_the_text(run: Run, tmp_path: Path, chat_template: bool) -> None:
    folder = make_language_model(tmp_path / "model", chat_template=chat_template)
    ran = run(model__name_or_path=str(folder), training__max_steps=12)

    assert ran.verdict == "completed"
    assert ran.losses[-1] < ran.losses[0]
    base = AutoModelForCausalLM.from_pretrained(folder)
    PeftModel.from_pretrained(base, str(ran.run.adapter))
    assert "text-generation" in (ran.run.adapter / "README.md").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"training__gradient_checkpointing": True},
        {"training__bf16": True, "model__dtype": "bfloat16"},
        {
            "training__bf16": True,
            "model__dtype": "bfloat16",
            "lora__lora_dropout": 0.0,
            "training__gradient_checkpointing": "offloaded",
        },
        {"training__optim": "adafactor", "training__lr_scheduler_type": "constant_with_warmup"},
        {"training__optim": "adamw_8bit", "training__lr_scheduler_type": "polynomial"},
        {"lora__use_dora": True, "lora__use_rslora": True, "lora__bias": "lora_only"},
        {"lora__init_lora_weights": "pissa"},
        {"lora__init_lora_weights": "olora"},
        {"lora__init_lora_weights": "orthogonal"},
        {"lora__init_lora_weights": "eva", "lora__r": 2},
        {
            "lora__trainable_token_indices": [5, 9],
            "training__loraplus_lr_ratio": 4.0,
            "training__gradient_checkpointing": "auto",
            "training__lr_scheduler_type": "warmup_stable_decay",
            "training__lr_scheduler_kwargs": {"num_decay_steps": 1},
        },
        {"lora__modules_to_save": ["lm_head"], "lora__rank_pattern": {"q_proj": 2}},
        {"model__attn_implementation": "eager", "model__max_pixels": 1024},
        {"training__max_grad_norm": 0.0, "training__weight_decay": 0.1},
    ],
    ids=lambda changes: "-".join(f"{k.rpartition('__')[2]}={v}" for k, v in changes.items()),
)
def test_settings_train_and_reload(
    run: Run, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    ran = run(**changes, training__max_steps=2)

    assert ran.verdict == "completed", ran.failure
    assert ran.of("done")[-1].data["verification"]["changes_the_base"]
    is_offloaded = changes.get("training__gradient_checkpointing") == "offloaded"
    assert ("not offloaded: this run is not on a GPU" in caplog.text) == is_offloaded


def test_early_stopping_keeps_the_best(run: Run) -> None:
    ran = run(
        data__eval_fraction=0.2,
        training__eval_steps=1,
        training__save_steps=1,
        training__early_stopping_patience=1,
        training__max_steps=30,
        training__learning_rate=3.0,
    )

    assert ran.verdict == "completed", ran.failure
    evaluations = [e.data["eval_loss"] for e in ran.of("metric") if "eval_loss" in e.data]
    assert len(evaluations) < 30
    lineage = json.loads((ran.run.adapter / "deepsynth.json").read_text())
    assert lineage["metrics"]["eval_loss"] == min(evaluations)
    best = f"checkpoint-{lineage['metrics']['kept_step']}"
    kept = load_file(ran.run.adapter / "adapter_model.safetensors")
    for name, value in load_file(ran.run.checkpoints / best / "adapter_model.safetensors").items():
        assert torch.equal(value, kept[name]), name


def test_stop_now_leaves_checkpoint_and_adapter(run: Run) -> None:
    def stop(job: Job) -> None:
        request_stop(job.run, now=True)
        assert job.heartbeat.stop_event.wait(30)

    ran = run(training__max_steps=50, during=stop)

    assert ran.verdict == "stopped"
    assert len(ran.losses) <= 2
    assert (ran.run.adapter / "adapter_model.safetensors").is_file()
    last = len(ran.losses)
    assert (ran.run.checkpoints / f"checkpoint-{last}" / "trainer_state.json").is_file()
    assert ran.of("done")[-1].data["verification"]["from_trained"] == 0


def test_stop_after_checkpoint_waits_for_one(run: Run) -> None:
    def stop(job: Job) -> None:
        request_stop(job.run, now=False)
        assert job.heartbeat.stop_event.wait(30)

    ran = run(training__max_steps=50, training__save_steps=4, during=stop)

    assert ran.verdict == "stopped"
    assert len(ran.losses) == 4
    assert [event.data["step"] for event in ran.of("checkpoint")] == [4]


def test_resume_is_exact_and_skips_incomplete_checkpoints(run: Run) -> None:
    changes: dict[str, Any] = {
        "training__max_steps": 8,
        "training__save_steps": 3,
        "training__save_total_limit": 5,
        "training__gradient_accumulation_steps": 2,
        "data__eval_fraction": 0.2,
        "training__eval_steps": 2,
        "lora__lora_dropout": 0.3,
    }
    whole = run(**changes)
    assert whole.verdict == "completed"

    incomplete = whole.run.checkpoints / "checkpoint-6" / "adapter_model.safetensors"
    incomplete.write_bytes(incomplete.read_bytes()[:-100])
    (whole.run.checkpoints / "checkpoint-8" / "trainer_state.json").unlink()
    former = load_file(whole.run.adapter / "adapter_model.safetensors")
    resumed = run(resume=whole.run, **changes)

    assert resumed.verdict == "completed"
    warnings = " ".join(str(event.data["message"]) for event in resumed.of("warning"))
    assert "checkpoint-8 is skipped: trainer_state.json" in warnings
    assert "checkpoint-6 is skipped: adapter_model.safetensors" in warnings
    again = next(e for e in resumed.of("phase") if e.data["name"] == "resumed")
    assert again.data["step"] == 3
    figures = [
        [
            (e.data["step"], e.data.get("loss"), e.data.get("eval_loss"))
            for e in resumed.of("metric")
            if (e.seq < again.seq) is first and e.data["step"] > 3
        ]
        for first in (True, False)
    ]
    assert figures[0] == figures[1]
    for name, value in load_file(whole.run.adapter / "adapter_model.safetensors").items():
        assert torch.equal(value, former[name]), name


def test_resuming_a_finished_run_trains_nothing_more(run: Run) -> None:
    done = run()
    before = load_file(done.run.adapter / "adapter_model.safetensors")
    again = run(resume=done.run)

    assert again.verdict == "completed", again.failure
    assert len(again.losses) == 3
    for name, value in load_file(done.run.adapter / "adapter_model.safetensors").items():
        assert torch.equal(value, before[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_float16_trains_on_a_cpu_too(run: Run, dtype: str) -> None:
    ran = run(training__fp16=True, model__dtype=dtype, training__max_steps=6)
    assert ran.verdict == "completed", ran.failure
    assert ran.losses[-1] < ran.losses[0]
    assert ran.of("done")[-1].data["verification"]["from_trained"] == 0


def test_the_trained_model_is_freed_before_the_saved_one_is_loaded(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def models() -> int:
        return sum(issubclass(type(item), PeftModel) for item in gc.get_objects())

    def counting(*args: Any, **kwargs: Any) -> Verification:
        alive.append(models())
        return verify(*args, **kwargs)

    verify, before = training_run.verify, models()
    alive: list[int] = []
    monkeypatch.setattr(training_run, "verify", counting)
    ran = run()
    assert ran.verdict == "completed", ran.failure
    assert alive == [before]
