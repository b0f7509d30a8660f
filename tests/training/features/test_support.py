"""Features are refused where they would differ from pixels, and kept apart by what made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.features.cache import PageFeatureCache
from deepsynth_tui.training.features.keys import model_key, page_key
from deepsynth_tui.training.features.tower import FeaturesUnsupported, VisionTower
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.load import LoadedModel, load_model_and_processor
from tests.training.conftest import configuration
from tests.training.small_datasets import example, row


@pytest.fixture
def base(values: dict[str, Any]) -> LoadedModel:
    return load_model_and_processor(configuration(values))


def test_a_trained_tower_is_refused(base: LoadedModel, values: dict[str, Any]) -> None:
    config = configuration(values, model__freeze_vision_tower=False)
    model = lora.add_adapters(base.model, config)
    problem = VisionTower(model).problem()
    assert problem is not None
    assert "vision_model" in problem
    assert "is trained" in problem


def test_a_tower_with_dropout_is_refused(base: LoadedModel, values: dict[str, Any]) -> None:
    config = configuration(values)
    model = lora.add_adapters(base.model, config)
    tower = VisionTower(model)
    assert tower.problem() is None, "dropout of the adapters does not matter"
    attention: Any = tower.model.model.vision_model.encoder.layers[0].self_attn
    attention.dropout = 0.1
    problem = tower.problem()
    assert problem is not None
    assert "has a dropout of 0.1" in problem


def test_a_trained_part_under_any_name_is_noticed(
    base: LoadedModel, values: dict[str, Any], tmp_path: Path
) -> None:
    config = configuration(values)
    base.model.requires_grad_(False)
    cache = PageFeatureCache.open(base, base.model, config, folder=tmp_path)
    projection: Any = base.model.get_submodule("model.connector.modality_projection.proj")
    projection.register_forward_hook(lambda *args: args[-1] + nn.Parameter(torch.zeros(1)))
    page = cache.load(example(Collator(base, config), row(0)).images[0])
    with pytest.raises(FeaturesUnsupported, match="a part of the model that is trained"):
        cache.encode(page)  # pyright: ignore[reportArgumentType] - not encoded before


def test_a_language_model_takes_no_features(language_model: Path, values: dict[str, Any]) -> None:
    config = configuration(values, model__name_or_path=str(language_model))
    tower = VisionTower(load_model_and_processor(config).model)
    assert tower.problem() == "LlamaForCausalLM takes pixels only"


def test_the_key_of_a_model(base: LoadedModel, values: dict[str, Any]) -> None:
    config = configuration(values)
    key = model_key(base, config)
    assert model_key(load_model_and_processor(config), config) == key
    changes: dict[str, Any] = {
        "model__dtype": "bfloat16",
        "training__bf16": True,
        "model__attn_implementation": "eager",
        "quantization__enabled": True,
    }
    keys = {model_key(base, configuration(values, **{k: v})) for k, v in changes.items()}
    images: Any = getattr(base.processor, "image_processor")  # noqa: B009
    images.image_mean = [0.4, 0.4, 0.4]
    keys.add(model_key(base, config))
    images.image_mean = [0.5, 0.5, 0.5]
    assert model_key(base, config) == key
    weight = base.model.get_submodule("model.connector.modality_projection.proj")
    with torch.no_grad():
        weight.get_parameter("weight")[0, 0] += 1
    keys.add(model_key(base, config))
    assert len(keys - {key}) == len(changes) + 2

    head = load_model_and_processor(config)
    with torch.no_grad():
        head.model.get_parameter("lm_head.weight")[0, 0] += 1
    assert model_key(head, config) == key, "the language model does not matter"


def test_the_key_of_a_page(tmp_path: Path) -> None:
    stored: list[Any] = [row(number)["images"][0] for number in (0, 1)]
    path = tmp_path / "page.png"
    path.write_bytes(stored[0]["bytes"])
    keys = [page_key(page) for page in stored]
    assert keys[0] != keys[1]
    assert page_key({"bytes": None, "path": str(path)}) == keys[0]


def test_a_released_tower_still_encodes(
    base: LoadedModel, values: dict[str, Any], tmp_path: Path
) -> None:
    config = configuration(values)
    base.model.requires_grad_(False)
    cache = PageFeatureCache.open(base, base.model, config, folder=tmp_path)
    tower = VisionTower(base.model)
    page: Any = cache.load(example(Collator(base, config), row(0)).images[0])
    expected = tower.encode(page, config)
    names = [name for name, _ in tower.releasable()]
    assert all("vision_model" in name or "connector" in name for name in names)
    assert sum(p.nbytes for _, p in tower.releasable()) == tower.releasable_bytes() > 0
    with tower.released():
        assert torch.equal(tower.encode(page, config).pooled, expected.pooled)
        assert tower.encoder_arguments == {"pixel_values", "pixel_attention_mask"}
    assert cache.release_tower() == 0, "there is no GPU to take it from"
