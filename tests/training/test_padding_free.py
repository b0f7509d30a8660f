"""Rows without padding are to the model the rows that they are separately."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.features.cache import PageFeatureCache
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import LoadedModel, load_model_and_processor
from deepsynth_tui.training.padding_free.attention import attention_by_row, use_row_attention
from deepsynth_tui.training.padding_free.check import prepare_padding_free
from deepsynth_tui.training.padding_free.pack import PackedRows, pack_rows
from tests.training import family_models, ocr_models, small_models
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
    model = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    inputs = padded()
    expected = model(**inputs).logits
    generated = model.generate(**inputs, max_new_tokens=4)
    use_row_attention(model)
    assert torch.equal(model(**inputs).logits, expected)
    assert torch.equal(model.generate(**inputs, max_new_tokens=4), generated)


def loaded(values: dict[str, Any], folder: Path | str) -> tuple[LoadedModel, Collator, Any]:
    config = configuration(
        values,
        model__name_or_path=str(folder),
        data__max_length=4096,
        lora__lora_dropout=0.0,
        training__padding_free=True,
    )
    base = load_model_and_processor(config)
    return base, Collator(base, config), config


@contextmanager
def features(
    base: LoadedModel, collator: Collator, model: Any, config: Any, folder: Path
) -> Iterator[None]:
    collator.features = PageFeatureCache.open(base, model, config, folder=folder)
    yield
    collator.features.close()
    collator.features = None
