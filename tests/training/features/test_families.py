"""Every family computes the same with features as with pixels, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import set_seed

from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.evaluation.generate import generate_answers
from deepsynth_tui.training.features.batch import PAGES
from deepsynth_tui.training.features.cache import PageFeatureCache
from deepsynth_tui.training.features.tower import ENCODER_OUTPUTS
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training import family_models, ocr_models, small_models
from tests.training.conftest import configuration
from tests.training.small_datasets import example, row

CPU = torch.device("cpu")


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        small_models.vision_model,
        small_models.qwen3_vl,
        small_models.document_model,
        family_models.qwen2_5_vl,
        family_models.smolvlm,
        family_models.gemma3,
        family_models.qwen3_vl_moe,
        ocr_models.granite_docling,
        ocr_models.paddleocr_vl,
        ocr_models.glm_ocr,
        ocr_models.lighton_ocr,
        ocr_models.qwen3_5,
        ocr_models.internvl,
    ],
)
def test_losses_gradients_and_answers_are_those_of_pixels(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path], bf16: bool
) -> None:
    config = configuration(
        values,
        model__name_or_path=str(make(tmp_path / "model")),
        data__max_length=4096,
        training__bf16=bf16,
    )
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    model = lora.add_adapters(base.model, config)
    pages = [example(collator, row(number)) for number in range(3)]
    chats = [collator.render(page) for page in pages]

    def step(names: list[int]) -> tuple[torch.Tensor, list[torch.Tensor], dict[str, Any]]:
        set_seed(1)  # dropout of the adapters
        model.train().zero_grad()
        batch = collator([pages[number] for number in names])
        batch.pop(ROW_IDS)
        inputs = collator.model_inputs(batch, CPU)
        assert (ENCODER_OUTPUTS in inputs) == (collator.features is not None)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(**inputs).loss
        loss.backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        return loss.detach(), gradients, batch

    def answers() -> list[str]:
        model.eval()
        found = generate_answers(model, collator, chats[:2], max_new_tokens=[5, 5])
        return [answer.text for answer in found]

    pixels, expected_answers = [step([0]), step([1, 2])], answers()

    cache = PageFeatureCache.open(base, model, config, folder=tmp_path / "features")
    for _ in range(2):  # encoded, then read from disk
        collator.features = cache
        for (loss, gradients, batch), names in zip(pixels, ([0], [1, 2]), strict=True):
            cached_loss, cached_gradients, cached = step(names)
            tensors = {name for name in cached if name != PAGES}
            assert all(torch.equal(cached[name], batch[name]) for name in tensors)
            if len(names) == 1:
                assert torch.equal(cached_loss, loss)
                assert all(map(torch.equal, cached_gradients, gradients))
            else:  # pixels of several pages are encoded together, which may change last bits
                torch.testing.assert_close(cached_loss, loss)
        assert answers() == expected_answers
        assert cache.encoded == 3
