"""All weights of an encoder come from its checkpoint; heads of the checkpoint are ignored."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, BertForPreTraining, BertModel, PreTrainedModel

from deepsynth_tui.builtin import tiny_bert
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.text_encoder.load import load_encoder_weights


def _load(folder: Path) -> PreTrainedModel:
    return load_encoder_weights(
        str(folder), AutoConfig.from_pretrained(folder), dtype=torch.float32
    )


def test_heads_are_ignored_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = BertForPreTraining(tiny_bert.model_config(tiny_bert.tokenizer()))
    whole.save_pretrained(tmp_path)
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)

    loaded = _load(tmp_path)
    assert caplog.records == []
    weights = whole.bert.state_dict()
    assert not any("pooler" in name for name in loaded.state_dict())
    assert all(torch.equal(value, weights[name]) for name, value in loaded.state_dict().items())

    BertModel.from_pretrained(tmp_path, add_pooling_layer=False)
    assert "UNEXPECTED" in caplog.text  # other models are still reported


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    tiny_bert.write(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lost = [name for name in weights if name.startswith("encoder.layer.1.")]
    kept = {name: value for name, value in weights.items() if name not in lost}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(TrainingError, match=f"{min(lost)} and {len(lost) - 1} more") as refused:
        _load(tmp_path)
    assert "text_encoder.name_or_path" in refused.value.advice
