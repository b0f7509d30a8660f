"""EVA: the matrices A span what the layers read, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling import eva, lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import configuration

OPTIONS: dict[str, Any] = {
    "lora__init_lora_weights": "eva",
    "lora__r": 2,
    "lora__target_modules": ["q_proj", "down_proj"],
    "model__freeze_vision_tower": False,
}


def test_adapters_start_from_the_components_of_their_inputs(values: dict[str, Any]) -> None:
    config = configuration(values, **OPTIONS)
    base = load_model_and_processor(config)
    rows = load_split(config, images=True).train
    collator = Collator(base, config)
    batch = collator([rows[0], rows[1]])
    batch.pop(ROW_IDS)
    with torch.no_grad():
        expected = base.model(**batch).logits
    model = lora.add_adapters(base.model, config)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    targets = set(lora.adapted_modules(model))
    eva.initialize_eva_weights(model, config, collator, rows)

    for name, parameter in model.named_parameters():
        changed = not torch.equal(parameter, before[name])
        assert changed == ("lora_A" in name), name
        if "lora_A" in name:
            identity = parameter @ parameter.T
            torch.testing.assert_close(identity, torch.eye(2), atol=1e-3, rtol=0)
    settings: Any = model.peft_config["default"]
    assert set(settings.target_modules) == targets
    assert settings.rank_pattern == {}
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(**batch).logits, expected)


def test_more_components_than_tokens_are_an_error(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eva, "MAX_FORWARDS", 3)
    config = configuration(values, **OPTIONS | {"lora__r": 60})
    base = load_model_and_processor(config)
    model = lora.add_adapters(base.model, config)
    rows = load_split(config, images=True).train
    with pytest.raises(TrainingError, match="no 60 components") as refused:
        eva.initialize_eva_weights(model, config, Collator(base, config), rows)
    assert refused.value.key == "lora.init_lora_weights"
