"""The default model's architecture, scaled down, with its real classes.

It has fused experts, and a vision encoder whose modules have the names of the language model's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.quantization import fused_expert_parameters
from tests.training import small_models
from tests.training.conftest import Run, configuration

EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models.document_model(tmp_path_factory.mktemp("deepseek-ocr-2"))


def test_adapters_stay_out_of_the_vision_encoder(values: dict[str, Any], folder: Path) -> None:
    config = configuration(values, model__name_or_path=str(folder))
    model = load_model_and_processor(config).model
    wanted = lora.lora_config(model, config, revision=None).target_modules

    assert isinstance(wanted, set)
    assert any(name.endswith("self_attn.q_proj") for name in wanted)
    assert all(".language_model." in name for name in wanted)
    same_suffix = [name for name, _ in model.named_modules() if name.endswith("self_attn.q_proj")]
    assert any("vision" in name for name in same_suffix)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [None, 4, 8])
def test_it_trains(run: Run, folder: Path, bits: int | None) -> None:
    ran = run(
        model__name_or_path=str(folder),
        quantization__enabled=bits is not None,
        quantization__bits=bits or 4,
        data__max_length=1024,
        training__max_steps=2,
        training__per_device_train_batch_size=1,
    )

    assert ran.verdict == "completed", ran.failure


def test_experts_are_quantized_only_if_enabled(values: dict[str, Any], folder: Path) -> None:
    def floating(**changes: Any) -> set[str]:
        config = configuration(
            values, model__name_or_path=str(folder), quantization__enabled=True, **changes
        )
        names = fused_expert_parameters(load_model_and_processor(config).model)
        return {name.rpartition(".")[2] for name in names}

    both = {"gate_up_proj", "down_proj"}
    assert floating() == set()
    assert floating(quantization__quantize_experts=False) == both
    assert floating(quantization__bits=8) == both
    adapted = {"lora__target_parameters": EXPERTS[:1], "lora__lora_dropout": 0.0}
    assert floating(**adapted) == {"gate_up_proj"}


@pytest.mark.slow
@pytest.mark.parametrize("bits", [None, 4])
def test_experts_get_adapters(run: Run, folder: Path, bits: int | None) -> None:
    """Adapted experts are not quantized: PEFT would silently add no adapter to quantized ones."""
    quantised = {"quantization__enabled": True, "quantization__bits": bits} if bits else {}
    ran = run(
        **quantised,
        model__name_or_path=str(folder),
        lora__target_modules=["q_proj"],
        lora__target_parameters=EXPERTS,
        lora__lora_dropout=0.0,
        data__max_length=1024,
        training__max_steps=2,
        training__per_device_train_batch_size=1,
    )

    assert ran.verdict == "completed", ran.failure
    assert ran.of("done")[-1].data["verification"]["changes_the_base"]
    training = next(e for e in ran.of("phase") if e.data["name"] == "training")
    assert training.data["adapted"]["language"] == {
        "q_proj": 2,
        "experts.gate_up_proj": 1,
        "experts.down_proj": 1,
    }
    learned = ran.of("learning")[0].data["towers"]["language"]
    assert learned == {"adapters": 4, "tensors": 0, "with_gradient": 4, "moved": 4}
    saved = load_file(ran.run.adapter / "adapter_model.safetensors")
    experts = [name for name in saved if ".experts." in name and "lora_B" in name]
    assert len(experts) == 2
    assert all(bool(saved[name].any()) for name in experts)
