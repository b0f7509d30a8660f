"""The learning rate that the rule of tinker-cookbook gives."""

from __future__ import annotations

import pytest

from deepsynth_tui.estimate.learning_rate import advise_learning_rate
from deepsynth_tui.models.layout import ModelLayout, TextDimensions
from tests.estimate.models import configure


def layout(architecture: str, hidden: int) -> ModelLayout:
    text = TextDimensions(hidden, 2, 4, 2, 16, 4 * hidden, 1000)
    return ModelLayout("model", None, "model", architecture, "hub", (), text, None)


def test_the_rule_at_its_reference_batch() -> None:
    reference = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 32}
    qwen = advise_learning_rate(
        configure(training=reference), layout("Qwen3VLForConditionalGeneration", 2560)
    )
    assert qwen.low == qwen.high == pytest.approx(4.9e-4, rel=0.01)
    full = advise_learning_rate(
        configure(training=reference, lora={"enabled": False}), layout("LlamaForCausalLM", 2000)
    )
    assert full.low == pytest.approx(5e-5)


def test_smaller_batches_and_unknown_families() -> None:
    config = configure(
        training={"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}
    )
    advice = advise_learning_rate(config, layout("DeepseekOcr2ForConditionalGeneration", 1280))
    assert advice.text == "about 1.3e-04 to 1.8e-04 at 8 rows a step"
    one = configure(training={"per_device_train_batch_size": 1, "gradient_accumulation_steps": 1})
    assert advise_learning_rate(one, layout("Qwen2ForCausalLM", 2000)).text == (
        "about 4.4e-05 at 1 row a step"
    )
