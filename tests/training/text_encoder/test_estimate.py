"""The estimate of a text encoder agrees with what the trainer trains, saves and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.storage import estimate_disk, processor_bytes
from deepsynth_tui.models import layout_server
from deepsynth_tui.models.layout import ModelLayout, Role
from deepsynth_tui.training.data import lengths_client
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.data.lengths_server import row_statistics
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.soft_tokens import attach_text_encoder
from tests.training.conftest import Run, configuration
from tests.training.text_encoder.conftest import encoder_settings


def _layout(folder: str, role: Role) -> ModelLayout:
    return layout_server.build_layout(folder, None, role, trust_remote_code=False)


@pytest.mark.parametrize("family", ["qwen3", "bert"])
@pytest.mark.parametrize("trainable", ["frozen", "lora", "full"])
def test_trainable_parameters_are_exact(
    values: dict[str, Any], family: str, trainable: str
) -> None:
    section = encoder_settings(family, trainable=trainable)
    config = configuration(values, text_encoder=section, lora__r=6)
    base = load_model_and_processor(config)
    encoder = load_text_encoder(base.model, config)
    assert encoder is not None
    model = lora.add_adapters(base.model, config)
    attach_text_encoder(model, encoder)

    computed = estimate(
        config,
        _layout(config.model.name_or_path, "model"),
        encoder=_layout(config.text_encoder.name_or_path, "encoder"),
        gpus=(),
    )
    trained = lora.trainable_parameters_by_tower(model)
    assert dict(computed.trainable_by_tower) == dict(trained)
    assert computed.trainable_params == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )
    total = sum(p.numel() for n, p in model.named_parameters() if "lora_" not in n)
    assert computed.total_params == total


@pytest.mark.slow
@pytest.mark.parametrize("trainable", ["lora", "full"])
def test_a_checkpoint_is_as_large_as_estimated(run: Run, trainable: str) -> None:
    from deepsynth_tui.config.load import load_file

    ran = run(
        text_encoder=encoder_settings("qwen3", trainable=trainable),
        training__max_steps=1,
    )
    config = load_file(ran.run.config).config
    assert isinstance(config, TrainingConfig)
    disk = estimate_disk(
        config,
        _layout(config.model.name_or_path, "model"),
        steps=1,
        processor=processor_bytes(config),
        encoder=_layout(config.text_encoder.name_or_path, "encoder"),
    )
    checkpoint = ran.run.checkpoints / "checkpoint-1"
    size = sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file())
    assert disk.checkpoint == pytest.approx(size, rel=0.15)


def test_rows_are_counted_with_soft_tokens(values: dict[str, Any], questions: Path) -> None:
    def with_soft_tokens(tokens: int) -> TrainingConfig:
        section = encoder_settings("qwen3", tokens=tokens)
        return configuration(values, data__path=str(questions), text_encoder=section)

    few, many = with_soft_tokens(1), with_soft_tokens(8)
    collator = Collator(load_model_and_processor(many), many)
    rows = load_split(many, images=True).train
    exact = [collator([rows[i]])["input_ids"].shape[1] for i in range(len(rows))]
    assert list(row_statistics(many).lengths) == sorted(exact)
    assert row_statistics(many).lengths[0] == row_statistics(few).lengths[0] + 7
    assert lengths_client.cache_path(few) != lengths_client.cache_path(many)
