"""Layouts are complete and cached, need no network, and their errors give advice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoConfig

from deepsynth_tui import child_process
from deepsynth_tui.models import layout_client
from deepsynth_tui.models.hub_config import (
    UnknownModelError,
    bundled_models,
    find_hub_config,
)
from deepsynth_tui.models.layout import ModelLayout, layout_cache_path, load_layout, save_layout
from deepsynth_tui.models.layout_client import LayoutError, request_layout
from tests.estimate import models
from tests.estimate.published import measurements

DEFAULT = "deepseek-community/DeepSeek-OCR-2"
# Parameters of an encoder that the trainer does not load: BERT's pooler, a linear with bias.
ENCODERS = {"Qwen/Qwen3-Embedding-0.6B": 0, "google-bert/bert-base-uncased": 768 * 768 + 768}


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_models_have_the_published_totals(name: str):
    layout = models.shipped(name, "encoder" if name in ENCODERS else "model")
    assert layout.total_params + ENCODERS.get(name, 0) == bundled_models()[name]["total_params"]


def test_json_round_trip():
    layout = models.layout("deepseek_ocr2")
    assert ModelLayout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


def test_parameter_names_equal_those_of_the_model():
    model = models.build("deepseek_ocr2")
    layout = models.layout("deepseek_ocr2")
    assert set(layout.parameters) == {name for name, _ in model.named_parameters()}


def test_a_tied_head_is_listed_with_no_parameters():
    layout = models.layout("qwen3")
    head = layout.parameters["lm_head.weight"]
    assert head.tied
    assert head.parameters == 0
    assert layout.linears["lm_head"] is head


def test_convertible_linears_are_those_that_bitsandbytes_converts():
    from transformers import BitsAndBytesConfig
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import get_keys_to_not_convert

    for architecture in ("qwen3_vl", "deepseek_ocr2", "qwen3"):
        layout = models.layout(architecture)
        ours = {name for name, group in layout.linears.items() if group.convertible}
        model = models.build(architecture)
        converted = replace_with_bnb_linear(
            model,
            modules_to_not_convert=get_keys_to_not_convert(model),
            quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        )
        theirs = {n for n, m in converted.named_modules() if type(m).__name__ == "Linear4bit"}
        assert ours == theirs
        assert "lm_head" not in ours


def test_the_default_model_needs_no_network_and_is_cached(monkeypatch: pytest.MonkeyPatch):
    assert load_layout(DEFAULT) is None
    built = request_layout(DEFAULT)
    assert built.total_params == 3_389_119_360
    assert built.origin == "shipped"
    assert layout_cache_path(DEFAULT).is_file()
    monkeypatch.setattr(layout_client, "ask", None)  # no second child process
    assert request_layout(DEFAULT) == built == load_layout(DEFAULT)


def test_a_folder_with_only_a_config(tmp_path: Path):
    folder = tmp_path / "model"
    models.architecture("qwen3").config.save_pretrained(folder)
    assert request_layout(str(folder)).total_params == models.layout("qwen3").total_params


def test_the_cache_path_depends_on_the_config_revision_and_role(tmp_path: Path):
    folder = tmp_path / "model"
    config = AutoConfig.for_model("qwen3", **models.SMALL["qwen3"])
    config.save_pretrained(folder)
    before = layout_cache_path(str(folder))
    written = (folder / "config.json").stat().st_mtime_ns
    config.save_pretrained(folder)
    if (folder / "config.json").stat().st_mtime_ns != written:
        assert layout_cache_path(str(folder)) != before
    assert (
        layout_cache_path("a/b")
        != layout_cache_path("a/b", "main")
        != layout_cache_path("a/b", role="encoder")
    )


def test_layouts_of_a_configuration_with_an_encoder():
    config = models.configure(
        model={"name_or_path": "Qwen/Qwen3-0.6B"}, text_encoder={"enabled": True}
    )
    for name, role in (("Qwen/Qwen3-0.6B", "model"), ("Qwen/Qwen3-Embedding-0.6B", "encoder")):
        save_layout(models.shipped(name, role))
    model, encoder = layout_client.request_layouts(config)
    assert encoder is not None
    assert (model.role, encoder.role) == ("model", "encoder")
    assert (
        layout_client.request_layouts(models.configure(model={"name_or_path": model.name}))[1]
        is None
    )


def test_the_cache_leaves_no_draft(home: Path):
    path = save_layout(models.layout("qwen3"))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert home in path.parents


def test_unknown_model_without_network():
    with pytest.raises(LayoutError) as raised:
        request_layout("nobody/no-such-model")
    assert "nobody/no-such-model" in raised.value.message
    assert "builtin:tiny-vlm" in raised.value.advice
    assert not layout_cache_path("nobody/no-such-model").exists()


def message_of(name: str) -> str:
    """Return the error message of the child process for this model."""
    with pytest.raises(LayoutError) as raised:
        request_layout(name)
    assert raised.value.advice
    return raised.value.message


def test_folder_without_config(tmp_path: Path):
    assert "config.json" in message_of(str(tmp_path))


def test_unknown_architecture(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "no_such_architecture"}')
    assert "transformers" in message_of(str(tmp_path))


def test_unknown_builtin():
    assert "builtin:nothing" in message_of("builtin:nothing")


def test_a_model_that_cannot_be_trained(tmp_path: Path):
    AutoConfig.for_model("vit", hidden_size=32, num_hidden_layers=1).save_pretrained(tmp_path)
    assert str(tmp_path) in message_of(str(tmp_path))


def test_a_failed_child_process_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child_process.sys, "executable", "/bin/false")
    with pytest.raises(LayoutError, match="status 1"):
        request_layout("any/model")


def test_looped_experts_run_one_after_another():
    """Experts that are separate modules run in turn, each on its share of the tokens."""
    mixtral = next(row.layout for row in measurements() if row.layout.name == "Mixtral-8x7B")
    looped, fused = mixtral.layers[0], models.layout("qwen3_moe").layers[0]
    assert looped.looped
    assert looped.inner == looped.expert_inner == 2 * 14336
    assert looped.concurrent_inner == 2 * 14336 // 8
    assert not fused.looped
    assert fused.concurrent_inner == fused.inner


def test_an_empty_name_is_not_the_current_folder():
    with pytest.raises(UnknownModelError) as refused:
        find_hub_config("")
    assert refused.value.message == "No model is chosen."
