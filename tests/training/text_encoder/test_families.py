"""Every decoder family uses soft tokens, in a training step and in `generate`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.models.image_tokens import PageSize, page_views
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.simulation.batch import BatchShape, image_inputs, text_inputs
from deepsynth_tui.training.text_encoder.instruction_tokenizer import load_instruction_tokenizer
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.module import TextEncoder
from deepsynth_tui.training.text_encoder.placeholders import insert_placeholders
from deepsynth_tui.training.text_encoder.soft_tokens import (
    text_encoder_attached,
    with_encoder_inputs,
)
from tests.estimate import models
from tests.training import small_models
from tests.training.conftest import configuration
from tests.training.small_datasets import example
from tests.training.text_encoder.conftest import encoder_settings, row_with_question

QUESTIONS = "Is it red?", "Is it green"


def _check(model: PreTrainedModel, encoder: TextEncoder, inputs: list[dict[str, Any]]) -> None:
    """`inputs` are one row with two questions of equal length, and labels."""
    with text_encoder_attached(model, encoder):
        model.train()
        loss = model(**inputs[0]).loss
        loss.backward()
        gradient = encoder.projection.weight.grad
        assert gradient is not None
        assert bool(gradient.isfinite().all())
        assert float(gradient.abs().max()) > 0

        model.eval()
        scores = []
        for row in inputs:
            prompt = {name: value for name, value in row.items() if name != "labels"}
            with torch.no_grad(), with_encoder_inputs(model, prompt) as model_inputs:
                generate: Any = model.generate
                outputs = generate(
                    **model_inputs,
                    max_new_tokens=2,
                    do_sample=False,
                    output_logits=True,
                    return_dict_in_generate=True,
                    min_new_tokens=2,
                    pad_token_id=0,
                )
            # Generation and training use the same positions: equal logits in both steps.
            longer = _continued(prompt, outputs.sequences)
            with torch.no_grad():
                forward = model(**longer).logits[0, -3:-1].float()
            torch.testing.assert_close(
                torch.cat(outputs.logits).float(), forward, rtol=0, atol=2e-4
            )
            scores.append(forward)
        assert (scores[0] - scores[1]).abs().max() > 1e-4


def _continued(prompt: dict[str, Any], sequences: torch.Tensor) -> dict[str, Any]:
    """Append the generated tokens to the prompt, as in a training row."""
    rows, more = sequences.shape[0], sequences.shape[1] - prompt["input_ids"].shape[1]
    longer = dict(prompt) | {"input_ids": sequences}
    for name, filler in (("attention_mask", 1), ("soft_tokens", 0), ("mm_token_type_ids", 0)):
        if name in prompt:
            added = prompt[name].new_full((rows, more), filler)
            longer[name] = torch.cat([prompt[name], added], dim=1)
    return longer


@pytest.mark.parametrize("family", ["vision_model", "language_model", "document_model"])
def test_models_with_a_processor(values: dict[str, Any], tmp_path: Path, family: str) -> None:
    folder = getattr(small_models, family)(tmp_path / "model")
    config = configuration(
        values,
        model__name_or_path=str(folder),
        text_encoder=encoder_settings("qwen3", tokens=4),
    )
    base = load_model_and_processor(config)
    encoder = load_text_encoder(base.model, config)
    assert encoder is not None
    collator = Collator(base, config)
    rows = [row_with_question(question, "yes") for question in QUESTIONS]
    _check(
        base.model,
        encoder,
        [collator.encode([collator.render(example(collator, row))]) for row in rows],
    )


@pytest.mark.parametrize("architecture", ["qwen3_vl", "qwen2_5_vl", "smolvlm"])
def test_models_from_their_config(values: dict[str, Any], architecture: str) -> None:
    """Qwen's processors need torchvision; their models do not."""
    section = encoder_settings("bert", tokens=4)
    config = configuration(values, text_encoder=section)
    hub_config = models.architecture(architecture, image_token_id=120)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(hub_config.config)
    encoder = load_text_encoder(model, config)
    assert encoder is not None
    instructions = load_instruction_tokenizer(config.text_encoder)
    image = image_dimensions(hub_config)
    assert image is not None
    views = page_views(PageSize(64, 64), image, config.model, 128)
    assert views is not None
    real_mode: Any = contextlib.nullcontext()  # real tensors instead of a simulation's fake ones
    shape = BatchShape(1, views.tokens + 6, views)
    inputs_without_encoder = text_inputs(shape, hub_config.config) | image_inputs(
        shape, image, hub_config.config, real_mode
    )
    for name in inputs_without_encoder:
        if name.startswith("pixel"):
            inputs_without_encoder[name] = torch.randn(inputs_without_encoder[name].shape)
    inputs_without_encoder["input_ids"][0, -6:] = torch.arange(7, 13)
    inputs = []
    for question in QUESTIONS:
        ids = instructions.encode("row 0", question)
        row = {**inputs_without_encoder, **instructions.batch([ids])}
        labels = row.pop("labels")
        extended = insert_placeholders(row, [4], placeholder_id=0, bos_token_ids=(), pad_left=False)
        extended["labels"] = torch.cat([torch.full((1, 4), -100), labels], dim=1)
        inputs.append(extended)
    _check(model, encoder, inputs)
