"""QLoRA on the CPU: layers are really quantized, and only the adapters change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch
from bitsandbytes.autograd._functions import MatMul8bitLt, MatmulLtState
from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt
from torch import nn
from transformers.quantizers.quantizers_utils import should_convert_module

from deepsynth_tui.config.model import TARGET_TOWERS
from deepsynth_tui.models.towers import tower_of
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.quantization import (
    flatten_8bit_inputs,
    quantization_notes,
    unquantized_modules,
)
from deepsynth_tui.training.silence_libraries import silence_libraries
from tests.estimate.models import SMALL, build, configure
from tests.training.conftest import Run, configuration

LAYERS = {4: Linear4bit, 8: Linear8bitLt}


@pytest.mark.parametrize("shape", [(6, 8), (2, 3, 8), (2, 3, 4, 8)])
def test_8bit_layers_get_no_more_dimensions_than_cuda_kernels_take(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is one without data, in place of a GPU."""

    def kernel(x: torch.Tensor, weight: torch.Tensor, **_: object) -> torch.Tensor:
        assert x.ndim in (2, 3)  # as bitsandbytes/backends/cuda/ops.py checks
        return x.new_empty((*x.shape[:-1], len(weight)))

    monkeypatch.setattr(bitsandbytes, "matmul", kernel)
    model = nn.Sequential(Linear8bitLt(8, 5, bias=False, has_fp16_weights=False, device="meta"))
    flatten_8bit_inputs(model)
    assert model(torch.empty(shape, device="meta")).shape == (*shape[:-1], 5)


def test_8bit_layers_do_not_log_each_forward_pass(caplog: pytest.LogCaptureFixture) -> None:
    """Their CUDA path runs on the CPU as well."""
    silence_libraries()
    x = torch.randn(2, 8, dtype=torch.bfloat16)
    MatMul8bitLt.apply(x, torch.randn(4, 8, dtype=torch.float16), None, None, MatmulLtState())
    assert caplog.records == []


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_qlora_trains(run: Run, bits: int, checkpointing: bool) -> None:
    ran = run(
        quantization__enabled=True,
        quantization__bits=bits,
        training__gradient_checkpointing=checkpointing,
        training__max_steps=8,
    )

    assert ran.verdict == "completed", ran.failure
    assert ran.losses[-1] < ran.losses[0]
    assert ran.of("done")[-1].data["verification"]["reproduces"]


@pytest.mark.parametrize("bits", [4, 8])
def test_layers_are_quantized_and_only_adapters_change(values: dict[str, Any], bits: int) -> None:
    config = configuration(values, quantization__enabled=True, quantization__bits=bits)
    base = load_model_and_processor(config)
    model = lora.add_adapters(base.model, config)

    linears = {
        name: module
        for name, module in base.model.named_modules()
        if isinstance(module, nn.Linear) and "lora_" not in name
    }
    plain = {name for name, module in linears.items() if not isinstance(module, LAYERS[bits])}
    quantized = {name for name in linears if tower_of(name) == "language"}
    assert plain == linears.keys() - quantized
    assert {tower_of(name) for name in plain} == {"vision", "projector", "head"}
    weight = base.model.get_submodule("model.text_model.layers.0.self_attn.q_proj").weight
    assert weight.dtype == (torch.uint8 if bits == 4 else torch.int8)

    before = {name: value.clone() for name, value in model.named_parameters()}
    batch = Collator(base, config)([load_split(config, images=True).train[0]])
    del batch[ROW_IDS]
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)
    for _ in range(2):  # lora_A has no gradient while lora_B is zero
        model(**batch).loss.backward()
        optimizer.step()
    moved = {n for n, p in model.named_parameters() if not torch.equal(before[n], p)}
    assert moved
    assert all("lora_" in name for name in moved)


@pytest.mark.parametrize("bits", [4, 8])
def test_gradients_are_the_same_after_an_evaluation(values: dict[str, Any], bits: int) -> None:
    """On some CPUs bitsandbytes repacks weights in evaluation mode."""
    config = configuration(
        values, quantization__enabled=True, quantization__bits=bits, lora__lora_dropout=0.0
    )
    base = load_model_and_processor(config)
    torch.manual_seed(0)
    model = lora.add_adapters(base.model, config)
    batch = Collator(base, config)([load_split(config, images=True).train[0]])
    del batch[ROW_IDS]

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        model.train()(**batch).loss.backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    before = gradients()
    with torch.no_grad():
        model.eval()(**batch)
    after = gradients()
    assert before.keys() == after.keys()
    assert any(bool(value.any()) for value in before.values())
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def test_4_bit_settings_reach_bitsandbytes(values: dict[str, Any]) -> None:
    config = configuration(
        values,
        quantization__enabled=True,
        quantization__quant_type="fp4",
        quantization__double_quant=False,
        quantization__compute_dtype="float32",
    )
    layer = load_model_and_processor(config).model.get_submodule(
        "model.text_model.layers.0.mlp.up_proj"
    )

    assert isinstance(layer, Linear4bit)
    assert layer.compute_dtype == torch.float32
    weight: Any = layer.weight
    state = weight.quant_state
    assert state.quant_type == "fp4"
    assert not state.nested


def test_quant_storage_does_not_change_gradients(values: dict[str, Any]) -> None:
    def gradients(storage: str) -> dict[str, torch.Tensor]:
        changes = {"quantization__enabled": True, "quantization__quant_storage": storage}
        config = configuration(values, **changes, lora__lora_dropout=0.0)
        base = load_model_and_processor(config)
        layer = base.model.get_submodule("model.text_model.layers.0.mlp.up_proj")
        assert isinstance(layer, Linear4bit)
        weight = layer.weight
        assert weight.dtype == getattr(torch, storage)
        assert weight.nbytes * 2 == layer.in_features * layer.out_features
        torch.manual_seed(0)
        model = lora.add_adapters(base.model, config)
        batch = Collator(base, config)([load_split(config, images=True).train[0]])
        del batch[ROW_IDS]
        model(**batch).loss.backward()
        return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}

    usual, other = gradients("uint8"), gradients("bfloat16")
    assert any(bool(value.any()) for value in usual.values())
    assert usual.keys() == other.keys()
    for name, value in usual.items():
        assert torch.equal(value, other[name]), name


def test_modules_to_save_are_not_quantized(values: dict[str, Any]) -> None:
    name = "text_model.layers.1.mlp.down_proj"
    config = configuration(values, quantization__enabled=True, lora__modules_to_save=[name])
    model = lora.add_adapters(load_model_and_processor(config).model, config)

    trained = {n for n, p in model.named_parameters() if p.requires_grad and "lora_" not in n}
    assert trained == {f"base_model.model.model.{name}.modules_to_save.default.weight"}


def test_4_bit_weights_save_the_expected_memory(values: dict[str, Any], vision_model: Path) -> None:
    def size(**changes: Any) -> int:
        return load_model_and_processor(
            configuration(values, **changes)
        ).model.get_memory_footprint()

    linears = "model.text_model.layers."
    whole = load_model_and_processor(configuration(values)).model
    quantized = sum(p.numel() for n, p in whole.named_parameters() if linears in n and p.ndim == 2)
    saved = size() - size(quantization__enabled=True)
    assert saved > quantized * 3  # bytes: 4 of float32 become half of one, plus the scales


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    "towers", [["language"], ["vision"], ["language", "projector"], [*TARGET_TOWERS]], ids=str
)
def test_only_the_named_towers_are_quantized(
    values: dict[str, Any], towers: list[str], bits: int
) -> None:
    config = configuration(
        values, quantization__enabled=True, quantization__bits=bits, quantization__towers=towers
    )
    model = load_model_and_processor(config).model
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    assert {n for n, m in layers.items() if isinstance(m, LAYERS[bits])} == {
        name for name in layers if tower_of(name) in towers
    }


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.parametrize("towers", [["language"], ["language", "projector"], [*TARGET_TOWERS]])
def test_what_is_left_out_is_named_shortly_and_exactly(
    architecture: str, towers: list[str]
) -> None:
    """transformers takes the names as prefixes, patterns and suffixes."""
    model = build(architecture)
    config = configure(quantization={"enabled": True, "towers": towers})
    names = unquantized_modules(model, config)
    assert len(names) <= 3
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            assert should_convert_module(name, names) == (tower_of(name) in towers), name


def test_a_model_without_the_named_tower_is_refused(
    values: dict[str, Any], language_model: Path
) -> None:
    config = configuration(
        values,
        model__name_or_path=str(language_model),
        quantization__enabled=True,
        quantization__towers=["vision", "projector"],
    )
    with pytest.raises(
        TrainingError, match=r"quantization\.towers \(vision, projector\)"
    ) as refused:
        load_model_and_processor(config)
    assert refused.value.key == "quantization.towers"


@pytest.mark.parametrize("enabled", [True, False])
def test_a_checkpoint_that_is_quantized_loads_and_says_so(
    values: dict[str, Any], vision_model: Path, tmp_path: Path, enabled: bool
) -> None:
    config = configuration(
        values, quantization__enabled=True, quantization__towers=[*TARGET_TOWERS]
    )
    base = load_model_and_processor(config)
    assert quantization_notes(base.model) == ()
    base.model.save_pretrained(tmp_path)
    base.processor.save_pretrained(tmp_path)

    again = configuration(values, model__name_or_path=str(tmp_path), quantization__enabled=enabled)
    model = load_model_and_processor(again).model
    layer = model.get_submodule("model.vision_model.encoder.layers.0.self_attn.q_proj")
    assert isinstance(layer, Linear4bit)
    (note,) = quantization_notes(model)
    assert "quantized already (bitsandbytes)" in note
