"""What depends on the text encoder's input is learned with it, and cannot be without it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file

from deepsynth_tui.adapters.try_out import try_out
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.soft_tokens import attach_text_encoder
from tests.training import small_roberta
from tests.training.conftest import Ran, Run, configuration
from tests.training.text_encoder.conftest import ENCODERS, QUESTIONS, encoder_settings

pytestmark = pytest.mark.slow

FAMILIES = ("qwen3", "bert")
TRAINABLE = ("frozen", "lora", "full")
LEARNING: dict[str, Any] = {
    "training__max_steps": 80,
    "training__learning_rate": 0.003,
    "training__lr_scheduler_type": "constant",
    "lora__lora_dropout": 0.0,
    "lora__r": 16,
    "lora__lora_alpha": 32,
}
# Who cannot tell the questions apart has the first token of each answer at chance at best: twice
# ln 2 over the nine tokens of both, ends of turn included.
FLOOR = 2 * math.log(2) / 9
PROJECTION = Path("text_encoder", "projection.safetensors")


def _answers(ran: Ran) -> list[str]:
    return [try_out(ran.run.adapter, row=number).adapter for number in range(len(QUESTIONS))]


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_that_only_the_encoder_reads_are_learned(
    run: Run, questions: Path, family: str
) -> None:
    settings = encoder_settings(family)
    ran = run(data__path=str(questions), text_encoder=settings, **LEARNING)

    assert ran.verdict == "completed", ran.failure
    assert ran.losses[-1] < FLOOR
    assert _answers(ran) == list(QUESTIONS.values())
    trial = try_out(ran.run.adapter, row=1)
    assert trial.instruction == "Is it green?"
    assert "green" not in trial.prompt
    verification = ran.of("done")[-1].data["verification"]
    assert verification["from_trained"] == 0
    assert verification["changes_the_base"]
    lineage = json.loads((ran.run.adapter / "deepsynth.json").read_text())
    assert lineage["text_encoder"]["name"] == ENCODERS[family]
    assert lineage["text_encoder"]["type"] == family
    assert "python -m deepsynth_tui.adapters.try_out" in (ran.run.adapter / "README.md").read_text()


def test_a_pinned_encoder_is_the_one_that_learns(
    run: Run, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    repository = cache / "models--me--encoder"
    commits = {"v1": "a" * 40, "main": "b" * 40}  # main is newer
    for seed, (name, commit) in enumerate(commits.items()):
        small_roberta.write(repository / "snapshots" / commit, seed=seed)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / name).write_text(commit)
    settings = encoder_settings("bert", name_or_path="me/encoder")
    three: dict[str, Any] = {"data__path": str(questions), "training__max_steps": 3}

    newest = run(text_encoder=settings, **three)
    pinned = run(text_encoder={**settings, "revision": "v1"}, **three)
    for ran, name in ((newest, "main"), (pinned, "v1")):
        assert ran.verdict == "completed", ran.failure
        lineage = json.loads((ran.run.adapter / "deepsynth.json").read_text())
        assert lineage["text_encoder"]["commit"] == commits[name]
        assert lineage["config"]["text_encoder"]["revision"] == commits[name]
    assert pinned.losses[0] != newest.losses[0]


def test_a_roberta_learns_too(run: Run, questions: Path, tmp_path: Path) -> None:
    folder = str(small_roberta.write(tmp_path / "roberta"))
    settings = encoder_settings("bert", name_or_path=folder)
    ran = run(data__path=str(questions), text_encoder=settings, **LEARNING)

    assert ran.verdict == "completed", ran.failure
    assert ran.losses[-1] < FLOOR
    assert _answers(ran) == list(QUESTIONS.values())


def test_it_cannot_be_learned_without(run: Run, questions: Path) -> None:
    """Both rows have the same question, so only their answers differ."""
    ran = run(data__path=str(questions), data__instruction="Answer.", **LEARNING)

    first, second = _answers(ran)
    assert first == second
    assert ran.losses[-1] > FLOOR


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("trainable", TRAINABLE)
def test_what_moves(values: dict[str, Any], questions: Path, family: str, trainable: str) -> None:
    config = configuration(
        values,
        data__path=str(questions),
        text_encoder=encoder_settings(family, trainable=trainable),
    )
    base = load_model_and_processor(config)
    encoder = load_text_encoder(base.model, config)
    assert encoder is not None
    model = lora.add_adapters(base.model, config)
    attach_text_encoder(model, encoder)
    rows = load_split(config, images=True).train
    batch = Collator(base, config)([rows[0], rows[1]])
    del batch[ROW_IDS]
    before = {name: value.detach().clone() for name, value in encoder.named_parameters()}
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
    model.train()
    for _ in range(2):  # lora_A has no gradient while lora_B is zero
        model(**batch).loss.backward()
        optimizer.step()

    moved = {n for n, p in encoder.named_parameters() if not torch.equal(before[n], p)}
    assert {"projection.weight", "projection.bias"} <= moved
    inside = {name for name in moved if name.startswith("encoder.")}
    everything = {name for name in before if name.startswith("encoder.")}
    adapters = {name for name in everything if "lora_" in name}
    expected = {"frozen": set(), "lora": adapters, "full": everything}[trainable]
    assert inside == expected
    assert all(p.dtype == torch.float32 for n, p in before.items() if "lora_" in n)


@pytest.mark.parametrize(("family", "trainable"), [("qwen3", "lora"), ("bert", "full")])
def test_resume_is_exact(run: Run, questions: Path, family: str, trainable: str) -> None:
    changes: dict[str, Any] = {
        "data__path": str(questions),
        "text_encoder": encoder_settings(family, trainable=trainable, tokens=4),
        "training__max_steps": 4,
        "training__save_steps": 1,
        "training__save_total_limit": 5,
        "lora__lora_dropout": 0.3,
    }
    whole = run(**changes)
    assert whole.verdict == "completed", whole.failure
    torn = whole.run.checkpoints / "checkpoint-3" / PROJECTION
    torn.write_bytes(torn.read_bytes()[:-10])
    (whole.run.checkpoints / "checkpoint-4" / PROJECTION).unlink()
    former = _weights(whole)
    resumed = run(resume=whole.run, **changes)

    assert resumed.verdict == "completed", resumed.failure
    again = next(e for e in resumed.of("phase") if e.data["name"] == "resumed")
    assert again.data["step"] == 2
    losses = [
        [e.data["loss"] for e in resumed.of("metric") if (e.seq < again.seq) is first]
        for first in (True, False)
    ]
    assert losses[0][2:] == losses[1]
    after = _weights(resumed)
    assert former.keys() == after.keys()
    assert any("projection" in name for name in after)
    assert all(torch.equal(former[name], after[name]) for name in after)


def _weights(ran: Ran) -> dict[str, torch.Tensor]:
    return {
        f"{path.relative_to(ran.run.adapter)}:{name}": value
        for path in ran.run.adapter.rglob("*.safetensors")
        for name, value in load_file(path).items()
    }


def test_the_best_checkpoint_is_kept_with_its_encoder(
    run: Run,
    dataset: Path,
) -> None:
    ran = run(
        text_encoder=encoder_settings("qwen3", trainable="lora"),
        data__eval_fraction=0.2,
        training__eval_steps=1,
        training__save_steps=1,
        training__early_stopping_patience=1,
        training__max_steps=30,
        training__learning_rate=3.0,
    )

    assert ran.verdict == "completed", ran.failure
    best = f"checkpoint-{ran.of('done')[-1].data['kept_step']}"
    last = ran.run.checkpoints / f"checkpoint-{len(ran.losses)}"
    assert last.name != best
    for part in (PROJECTION, Path("text_encoder", "adapter", "adapter_model.safetensors")):
        kept = load_file(ran.run.adapter / part)
        for name, value in load_file(ran.run.checkpoints / best / part).items():
            assert torch.equal(value, kept[name]), name
        assert any(not torch.equal(v, kept[n]) for n, v in load_file(last / part).items())


def test_a_whole_model_learns_with_it(
    run: Run,
    questions: Path,
) -> None:
    ran = run(
        data__path=str(questions),
        lora__enabled=False,
        training__learning_rate=0.001,
        training__gradient_checkpointing=True,
        text_encoder=encoder_settings("bert", trainable="full"),
    )

    assert ran.verdict == "completed", ran.failure
    folder = ran.run.path / "model"
    assert not any("text_encoder" in name for name in load_file(folder / "model.safetensors"))
    assert (folder / "text_encoder" / "model" / "model.safetensors").is_file()
    assert ran.of("done")[-1].data["verification"]["from_trained"] == 0
    training = next(e for e in ran.of("phase") if e.data["name"] == "training")
    assert {"language", "text_encoder", "text_projection"} <= training.data["trainable"].keys()


@pytest.mark.parametrize(
    "changes",
    [
        {
            "model__dtype": "bfloat16",
            "training__bf16": True,
            "training__gradient_checkpointing": True,
            "quantization__enabled": True,
        },
        {"lora__modules_to_save": ["embed_tokens"]},
    ],
    ids=["qlora", "trained-embeddings"],
)
def test_settings_train_and_reload(run: Run, questions: Path, changes: dict[str, Any]) -> None:
    section = encoder_settings("qwen3", trainable="lora", tokens=4)
    ran = run(data__path=str(questions), text_encoder=section, training__max_steps=2, **changes)

    assert ran.verdict == "completed", ran.failure
    verification = ran.of("done")[-1].data["verification"]
    assert verification["reproduces"]
    assert verification["changes_the_base"]


def test_the_encoder_has_a_learning_rate_of_its_own(run: Run, questions: Path) -> None:
    settings = encoder_settings("bert", trainable="full", learning_rate=1e-5)
    changes: dict[str, Any] = {"data__path": str(questions), "text_encoder": settings}
    ran = run(**changes, training__max_steps=2, training__lr_scheduler_type="constant")

    assert ran.verdict == "completed", ran.failure
    state = torch.load(ran.run.checkpoints / "checkpoint-2" / "optimizer.pt", weights_only=True)
    rates = {group["lr"] for group in state["param_groups"] if group["params"]}
    assert rates == {0.01, 1e-5}
    assert run(resume=ran.run).verdict == "completed"


def test_a_learning_rate_of_a_frozen_encoder_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="nothing to learn"):
        configuration(
            values,
            text_encoder=encoder_settings("bert", trainable="frozen", learning_rate=1e-5),
        )
