"""Rows without padding are to the model the rows that they are separately."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.features.cache import PageFeatureCache
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.padding_free.attention import attention_by_row, use_row_attention
from deepsynth_tui.training.padding_free.check import prepare_padding_free
from deepsynth_tui.training.padding_free.pack import PackedRows, pack_rows
from deepsynth_tui.training.token_loss import LossOutput, compute_token_loss
from tests.training import family_models, ocr_models, small_datasets, small_models
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import example, row

LENGTHS = (40, 15, 23)
SIZES: dict[str, Any] = {
    **{name: size for name, size in small_models.TEXT.items() if name != "model_type"},
    "vocab_size": 60,
}


def padded(lengths: tuple[int, ...] = LENGTHS) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 60, (len(lengths), max(lengths)), generator=generator)
    mask = torch.zeros_like(ids)
    for i, length in enumerate(lengths):
        mask[i, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def logits_of(model: Any, packed: PackedRows) -> tuple[torch.Tensor, ...]:
    """Return the logits of each row."""
    with torch.no_grad(), attention_by_row(packed.lengths):
        return model(**packed.inputs, use_cache=False).logits[0].split(packed.lengths)


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
        lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8)),
    ],
    ids=["llama", "sliding window"],
)
def test_a_row_sees_itself_only(make: Callable[[], Any], by_row: bool) -> None:
    torch.manual_seed(0)
    model = make().eval()
    if by_row:
        use_row_attention(model)
    inputs = padded()
    rows = logits_of(model, pack_rows(model, inputs))
    for logits, ids, length in zip(rows, inputs["input_ids"], LENGTHS, strict=True):
        torch.testing.assert_close(logits, model(ids[None, :length]).logits[0], rtol=0, atol=1e-5)
    inputs["input_ids"][0] = inputs["input_ids"][0].roll(1)
    changed = logits_of(model, pack_rows(model, inputs))
    assert not torch.allclose(changed[0], rows[0], atol=0.1)
    assert torch.equal(changed[1], rows[1])
    assert torch.equal(changed[2], rows[2])


def test_batches_with_padding_have_the_masks_of_sdpa() -> None:
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    inputs = padded()
    expected = model(**inputs).logits
    generated = model.generate(**inputs, max_new_tokens=4)
    use_row_attention(model)
    assert torch.equal(model(**inputs).logits, expected)
    assert torch.equal(model.generate(**inputs, max_new_tokens=4), generated)


def long_row(number: int) -> dict[str, Any]:
    return row(number) | {"target": "word " * (1 + 5 * (number % 3))}


def loaded(values: dict[str, Any], folder: Path | str, **changes: Any) -> Any:
    """Return configuration, base, collator, and the model with adapters that have an effect."""
    config = configuration(
        values,
        model__name_or_path=str(folder),
        data__max_length=4096,
        lora__lora_dropout=0.0,
        **changes,
    )
    base = load_model_and_processor(config)
    torch.manual_seed(0)
    model = lora.add_adapters(base.model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return config, base, Collator(base, config), model


def prepare(config: TrainingConfig, collator: Collator, model: Any) -> None:
    rows: Any = [example(collator, long_row(number)) for number in range(3)]
    lengths = [len(collator([row])["input_ids"][0]) for row in rows]
    prepare_padding_free(model, collator, rows, lengths, config)


@pytest.mark.parametrize("make", [family_models.qwen2_5_vl, ocr_models.glm_ocr])
def test_positions_alone_keep_the_rows_of_a_model_with_mrope_apart(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    # As with flash attention: transformers finds the rows by their positions.
    _, _, collator, model = loaded(values, make(tmp_path / "model"))
    batch = collator([example(collator, long_row(number)) for number in (0, 2, 1)])
    batch.pop(ROW_IDS)
    forward = model.get_base_model().forward
    losses = []
    for padding_free in (False, True):
        model.get_base_model().forward = forward
        compute_token_loss(model, padding_free=padding_free)
        with torch.no_grad():
            inputs = collator.model_inputs(batch, torch.device("cpu"))
            losses.append(model.eval()(**inputs).row_losses)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=0)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        small_models.vision_model,
        family_models.qwen2_5_vl,
        family_models.qwen3_vl_moe,
        ocr_models.granite_docling,
        ocr_models.glm_ocr,
    ],
)
def test_losses_and_gradients_are_those_of_padded_rows(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path], cached: bool
) -> None:
    config, base, collator, model = loaded(values, make(tmp_path / "model"))
    if cached:
        collator.features = PageFeatureCache.open(base, model, config, folder=tmp_path / "features")
    prepare(config, collator, model)
    enable_gradient_checkpointing(model, 1)
    batch = collator([example(collator, long_row(number)) for number in (0, 2, 1, 5)])
    batch.pop(ROW_IDS)
    forward = model.get_base_model().forward

    def step(batch: dict[str, Any], *, padding_free: bool) -> tuple[LossOutput, list[torch.Tensor]]:
        model.get_base_model().forward = forward
        compute_token_loss(model, padding_free=padding_free)
        model.train().zero_grad()
        outputs = model(**collator.model_inputs(batch, torch.device("cpu")))
        outputs.loss.backward()
        return outputs, [p.grad.clone() for p in model.parameters() if p.grad is not None]

    padded, expected = step(batch, padding_free=False)
    packed, gradients = step(batch, padding_free=True)
    torch.testing.assert_close(packed.loss, padded.loss, rtol=1e-5, atol=0)
    torch.testing.assert_close(packed.row_losses, padded.row_losses, rtol=1e-5, atol=0)
    for gradient, of_padded in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, of_padded, rtol=1e-4, atol=1e-5)

    batch["input_ids"] = batch["input_ids"].clone()
    batch["input_ids"][0, int(batch["attention_mask"][0].sum()) - 3] += 1
    changed, _ = step(batch, padding_free=True)
    assert changed.row_losses is not None
    assert packed.row_losses is not None
    assert changed.row_losses[0] != packed.row_losses[0]
    torch.testing.assert_close(changed.row_losses[1:], packed.row_losses[1:], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (ocr_models.qwen3_5, "without it, hidden states differ by"),  # linear attention
        (family_models.gemma3, "its attention mask depends on more than the order of tokens"),
    ],
)
def test_families_in_which_rows_see_each_other_are_refused(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    config, _, collator, model = loaded(values, make(tmp_path / "model"))
    with pytest.raises(TrainingError, match=reason) as refused:
        prepare(config, collator, model)
    assert refused.value.key == "training.padding_free"


@pytest.mark.slow
def test_a_run_learns_what_it_learns_from_padded_rows(
    run: Run, tmp_path: Path, language_model: Path
) -> None:
    dataset = small_datasets.write(tmp_path / "rows", [long_row(number) for number in range(10)])
    settings: dict[str, Any] = {
        "model__name_or_path": str(language_model),
        "data__path": str(dataset),
        "data__eval_fraction": 0.2,
        "lora__lora_dropout": 0.0,
        "training__gradient_accumulation_steps": 2,
        "training__gradient_checkpointing": True,
        "training__eval_steps": 2,
        "training__save_steps": 2,
    }
    padded = run(**settings)
    packed = run(**settings, training__padding_free=True)
    for ran in (padded, packed):
        assert ran.exit_code == 0, ran.failure
        assert ran.of("done")[-1].data["verification"]["reproduces"]
    for name in ("loss", "grad_norm", "eval_loss", "eval_cer", "tokens"):
        expected = [e.data[name] for e in padded.of("metric") if name in e.data]
        assert expected
        values = [e.data[name] for e in packed.of("metric") if name in e.data]
        assert values == pytest.approx(expected, rel=1e-3), name
    padding = [e.data["padding"] for e in padded.of("metric") if "padding" in e.data]
    avoided = [e.data["padding_avoided"] for e in packed.of("metric") if "loss" in e.data]
    assert avoided == padding
    assert max(avoided) > 0.1


def test_a_run_refuses_a_family_in_which_rows_see_each_other(run: Run, tmp_path: Path) -> None:
    folder = ocr_models.qwen3_5(tmp_path / "model")
    ran = run(model__name_or_path=str(folder), training__padding_free=True)
    assert ran.exit_code != 0
    assert "Turn training.padding_free off" in ran.failure
    assert "Qwen3_5ForConditionalGeneration" in ran.failure
