"""What gets no gradient or does not move in the first steps is a warning, or ends the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import LlamaForCausalLM

from deepsynth_tui.training.callbacks.learning_check import (
    TrainableUnit,
    fingerprint,
    learning_warnings,
)
from deepsynth_tui.training.modeling import lora
from tests.training import small_datasets, small_models
from tests.training.conftest import Run

LAST_TOKEN = "<row_6_col_6>"

pytestmark = pytest.mark.slow


def _cut_off(*names: str) -> Callable[[nn.Module], None]:
    """Detach the outputs of modules, as if the loss did not depend on them."""

    def cut(model: nn.Module) -> None:
        for name, module in model.named_modules():
            if name.endswith(names):
                module.register_forward_hook(lambda _module, _inputs, output: output.detach())

    return cut


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[nn.Module], None]], None]:
    """Let a function change the model once the adapters are attached."""

    def arrange(change: Callable[[nn.Module], None]) -> None:
        add_adapters = lora.add_adapters

        def add_adapters_and_change(*args: Any, **kwargs: Any) -> Any:
            model = add_adapters(*args, **kwargs)
            change(model)
            return model

        monkeypatch.setattr(lora, "add_adapters", add_adapters_and_change)

    return arrange


@pytest.mark.parametrize("init", [True, "olora"])
def test_every_adapter_has_a_gradient_and_moves(
    run: Run, caplog: pytest.LogCaptureFixture, init: Any
) -> None:
    caplog.set_level("INFO")
    ran = run(lora__init_lora_weights=init)

    counts = {"adapters": 14, "tensors": 0, "with_gradient": 14, "moved": 14}
    assert [e.data for e in ran.of("learning")] == [{"step": 3, "towers": {"language": counts}}]
    assert "after 3 steps, language: 14 of 14 adapters have gradients, all moved" in caplog.text
    assert not ran.of("warning")


def test_only_the_first_steps_are_checked(run: Run) -> None:
    ran = run(training__max_steps=6, training__save_steps=5)
    (ran.run.checkpoints / "checkpoint-6" / "trainer_state.json").unlink()
    again = run(resume=ran.run, training__max_steps=6, training__save_steps=5)

    assert again.verdict == "completed", again.failure
    assert [e.data["step"] for e in again.of("learning")] == [5]


def test_adapters_that_the_loss_does_not_reach_are_named(run: Run, changed: Any) -> None:
    changed(_cut_off("layers.1.self_attn.k_proj"))
    ran = run()

    assert ran.verdict == "completed", ran.failure
    (warning,) = ran.of("warning")
    assert (
        "1 of 14 adapters in the language have no gradient after 3 steps: "
        in (warning.data["message"])
    )
    assert "text_model.layers.1.self_attn.k_proj" in warning.data["message"]
    assert ran.of("learning")[0].data["towers"]["language"]["with_gradient"] == 13


def test_a_tower_without_any_gradient_ends_the_run(run: Run, changed: Any) -> None:
    changed(_cut_off("connector"))
    ran = run(model__freeze_vision_tower=False)

    assert ran.verdict == "failed"
    assert "adapters in the vision have no gradient after 3 steps: model.vision_model" in (
        ran.failure
    )
    assert "lora.target_modules" in ran.failure


def test_rows_without_pages_are_only_a_warning_for_the_vision_tower(
    run: Run, tmp_path: Path
) -> None:
    rows = [small_datasets.row(number, pages=0) for number in range(4)]
    ran = run(
        data__path=str(small_datasets.write(tmp_path / "text", rows)),
        model__freeze_vision_tower=False,
    )

    assert ran.verdict == "completed", ran.failure
    messages = [event.data["message"] for event in ran.of("warning")]
    assert any("No row so far has a page" in message for message in messages), messages


def test_half_precision_weights_that_do_not_move_are_a_warning(run: Run) -> None:
    ran = run(
        lora__target_modules=["q_proj"],
        lora__modules_to_save=["down_proj"],
        model__dtype="bfloat16",
        training__learning_rate=1e-7,
        training__max_steps=2,
    )

    messages = " ".join(event.data["message"] for event in ran.of("warning"))
    assert "did not move in 2 steps" in messages
    towers = ran.of("learning")[0].data["towers"]
    assert towers["language"]["moved"] < towers["language"]["with_gradient"]


def test_a_row_that_breaks_the_model_is_named(run: Run, tmp_path: Path) -> None:
    folder = small_models.language_model(tmp_path / "model")
    model = LlamaForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(model.config.vocab_size - 1)
    model.save_pretrained(folder)
    rows = [small_datasets.row(number) for number in range(4)]
    rows[2]["target"] = rows[2]["messages"][1]["content"][0]["text"] = LAST_TOKEN
    ran = run(
        model__name_or_path=str(folder),
        data__path=str(small_datasets.write(tmp_path / "data", rows)),
        training__per_device_train_batch_size=1,
        training__max_steps=4,
    )

    assert ran.verdict == "failed"
    assert "The model failed at step " in ran.failure
    assert "on row 2 (document doc-2)" in ran.failure
    assert not any(f"row {other}" in ran.failure for other in (0, 1, 3))


def test_a_gradient_that_is_not_finite_ends_the_run_before_the_optimizer_step(
    run: Run, changed: Any
) -> None:
    def divide_by_zero(model: nn.Module) -> None:
        name = "layers.0.self_attn.q_proj.lora_B.default.weight"
        weight = next(p for key, p in model.named_parameters() if key.endswith(name))
        weight.register_hook(lambda gradient: gradient / torch.zeros_like(weight))

    changed(divide_by_zero)
    ran = run()

    assert ran.verdict == "failed"
    assert "The gradient became inf at step 1, on row " in ran.failure
    assert not ran.of("metric")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_fingerprint_changes_with_the_last_bit(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    for shape in ((7,), (5, 7), (2, 5, 7)):
        tensor = torch.randn(shape, dtype=dtype)
        changed = tensor.clone()
        next_value = torch.nextafter(tensor.view(-1)[3], torch.tensor(9.0, dtype=dtype))
        changed.view(-1)[3] = next_value
        assert torch.equal(fingerprint(tensor), fingerprint(tensor.clone()))
        assert not torch.equal(fingerprint(tensor), fingerprint(changed))


@pytest.mark.parametrize("rate", [0.0, 1e-12])
def test_weights_that_no_update_was_for_do_not_have_to_move(rate: float) -> None:
    unit = TrainableUnit("q_proj", "language", "adapter", has_gradient=True, moved=False)
    warnings = learning_warnings([unit], 5, rate, pages_seen=True)
    assert len(warnings) == (rate > 0)
