"""A model sharded over two real processes computes what the unsharded one does, by family."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import distributed, nn
from torch.distributed.tensor import DTensor
from transformers.modeling_layers import GradientCheckpointingLayer

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.conversations.conversation import text_part
from deepsynth_tui.estimate.memory.fsdp import sharded_layer_bytes
from deepsynth_tui.models.layout_server import build_layout
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.fsdp import (
    language_layers,
    let_ddp_ignore_shards,
    shard_model,
)
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.padding_free.check import prepare_padding_free
from deepsynth_tui.training.padding_free.pack import has_padding
from deepsynth_tui.training.token_loss import compute_token_loss
from tests.training import family_models, small_models
from tests.training.conftest import configuration
from tests.training.forked import fork

PROCESSES = 2
FAMILIES: Mapping[str, Callable[[Path], Path]] = {
    "idefics3": small_models.vision_model,
    "llama": small_models.language_model,
    "qwen3_vl": small_models.qwen3_vl,
    "qwen2_5_vl": family_models.qwen2_5_vl,
    "smolvlm": family_models.smolvlm,
    "deepseek_ocr2": small_models.document_model,
}
QUANTIZED = {"quantization__enabled": True, "quantization__quant_storage": "bfloat16"}
Step = tuple[float, dict[str, torch.Tensor]]


def one_step(
    config: TrainingConfig, *, sharded: bool, pages: bool = True
) -> tuple[list[nn.Module], Step]:
    """Return the language layers, the loss on the first row, and the gradients.

    Without `pages`, the row is its text alone.
    """
    base = load_model_and_processor(config, stay_on_cpu=True)
    layers = list(language_layers(base.model))  # found by their classes, which FSDP changes
    torch.manual_seed(0)
    model = lora.add_adapters(base.model, config)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:  # otherwise lora_A has no gradient
            torch.nn.init.normal_(parameter, std=0.05)
    enable_gradient_checkpointing(model)
    if sharded:
        shard_model(model)
    example = load_split(config, images=base.reads_images).train[0]
    if not pages:
        message = {"role": "user", "content": [text_part("What is on the page?")]}
        example = replace(example, messages=[message, example.messages[-1]], images=(), learned=[1])
    batch = Collator(base, config)([example])
    del batch[ROW_IDS]
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.train()(**batch).loss
    loss.backward()
    return layers, (
        loss.item(),
        {name: p.grad for name, p in model.named_parameters() if p.grad is not None},
    )


def frozen_bytes(layers: list[nn.Module]) -> dict[str, int]:
    """Return the bytes of frozen layer weights on this rank, as shards and whole."""
    sizes = {"shards": 0, "whole": 0}
    for layer in layers:
        for parameter in layer.parameters():
            if isinstance(parameter, DTensor):
                sizes["shards"] += parameter.to_local().nbytes
            elif not parameter.requires_grad:
                sizes["whole"] += parameter.nbytes
    return sizes


def shard_bytes(model: nn.Module) -> list[torch.Tensor]:
    """Return this rank's shards as bytes: as floats, quantized ones may be NaN."""
    shards = [p.to_local() for p in model.parameters() if isinstance(p, DTensor)]
    return [shard.contiguous().view(torch.uint8) for shard in shards]


@pytest.fixture
def in_both_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a function in two processes of one group, and return both results."""
    loopback = next(name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", loopback)

    def run(work: Callable[[], Any]) -> list[Any]:
        def run_rank(rank: int) -> None:
            torch.set_num_threads(1)
            # A test that trained before has left the state of its single process.
            AcceleratorState._reset_state(reset_partial_state=True)
            meeting = f"file://{tmp_path / 'meeting'}"
            distributed.init_process_group(
                "gloo", init_method=meeting, rank=rank, world_size=PROCESSES
            )
            (tmp_path / f"{rank}.json").write_text(json.dumps(work()))

        pids = [fork(lambda rank=rank: run_rank(rank)) for rank in range(PROCESSES)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        assert codes == [0] * PROCESSES
        return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(PROCESSES)]

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "quantized"),
    [("llama", False), ("deepseek_ocr2", False), *((name, True) for name in FAMILIES)],
)
def test_sharded_layers_compute_what_unsharded_ones_do(
    values: dict[str, Any], tmp_path: Path, in_both_ranks: Any, family: str, quantized: bool
) -> None:
    folder = FAMILIES[family](tmp_path / "model")
    config = configuration(
        values,
        **(QUANTIZED if quantized else {}),
        model__name_or_path=str(folder),
        model__dtype="bfloat16",
        lora__lora_dropout=0.0,
        data__max_length=1024,
    )

    def work() -> dict[str, Any]:
        layers, (loss, gradients) = one_step(config, sharded=False)
        sharded_layers, (sharded_loss, sharded_gradients) = one_step(config, sharded=True)
        return {
            "before": frozen_bytes(layers),
            "after": frozen_bytes(sharded_layers),
            "losses": [loss, sharded_loss],
            "equal": sharded_gradients.keys() == gradients.keys()
            and all(torch.equal(sharded_gradients[name], grad) for name, grad in gradients.items()),
        }

    first, second = in_both_ranks(work)
    for result in (first, second):
        assert result["losses"][0] == result["losses"][1]
        assert result["equal"]
        assert result["after"]["whole"] == 0
    # Together they hold each value once, except for the padding of uneven shards.
    # The estimate counts the same bytes.
    layout = build_layout(str(folder), None, "model", trust_remote_code=False)
    counted = sharded_layer_bytes(config, layout)
    assert sum(counted.values()) == first["before"]["whole"]
    shards = [result["after"]["shards"] for result in (first, second)]
    assert sum(shards) == pytest.approx(first["before"]["whole"], rel=0.1)
    assert shards[0] == pytest.approx(shards[1], rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["deepseek_ocr2", "qwen3_vl"])
def test_ranks_need_not_have_pages_in_the_same_batch(
    values: dict[str, Any], tmp_path: Path, in_both_ranks: Any, family: str
) -> None:
    folder = FAMILIES[family](tmp_path / "model")
    config = configuration(
        values,
        model__name_or_path=str(folder),
        model__dtype="bfloat16",
        lora__lora_dropout=0.0,
        data__max_length=1024,
    )

    def work() -> bool:
        pages = distributed.get_rank() == 0
        _, (loss, gradients) = one_step(config, sharded=False, pages=pages)
        _, (sharded_loss, sharded_gradients) = one_step(config, sharded=True, pages=pages)
        return loss == sharded_loss and all(
            torch.equal(sharded_gradients[name], grad) for name, grad in gradients.items()
        )

    assert in_both_ranks(work) == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "qwen3_vl"])
def test_a_rank_computes_its_rows_without_padding(
    values: dict[str, Any], tmp_path: Path, in_both_ranks: Any, family: str
) -> None:
    config = configuration(
        values,
        model__name_or_path=str(FAMILIES[family](tmp_path / "model")),
        lora__lora_dropout=0.0,
        data__max_length=1024,
        training__padding_free=True,
    )

    def work() -> list[float]:
        base = load_model_and_processor(config, stay_on_cpu=True)
        model = lora.add_adapters(base.model, config)
        shard_model(model)
        collator = Collator(base, config)
        rows = load_split(config, images=base.reads_images).train
        lengths = [collator([row])["input_ids"].shape[1] for row in rows]
        prepare_padding_free(model, collator, rows, lengths, config)
        # The other rank has a single row, and so no padding.
        batch = collator([rows[i] for i in range(1 if distributed.get_rank() else 4)])
        del batch[ROW_IDS]
        assert distributed.get_rank() or has_padding(batch)
        forward, losses = base.model.forward, []
        for padding_free in (False, True):
            base.model.forward = forward
            compute_token_loss(model, padding_free=padding_free)
            loss = model.train()(**batch).loss
            loss.backward()
            losses.append(loss.item())
        return losses

    for padded, packed in in_both_ranks(work):
        assert packed == pytest.approx(padded, rel=1e-5)


@pytest.mark.parametrize("quantized", [False, True])
def test_accelerate_wraps_a_sharded_model_in_ddp_as_on_gpus(
    values: dict[str, Any], in_both_ranks: Any, monkeypatch: pytest.MonkeyPatch, quantized: bool
) -> None:
    """Gradients are averaged over the ranks, and each rank keeps its own shards."""
    monkeypatch.setattr(Accelerator, "multi_device", True)
    monkeypatch.setenv("ACCELERATE_BYPASS_DEVICE_MAP", "true")  # DDP takes no number of a CPU
    config = configuration(
        values, **(QUANTIZED if quantized else {}), model__dtype="bfloat16", lora__lora_dropout=0.0
    )

    def work() -> dict[str, Any]:
        rank = distributed.get_rank()
        base = load_model_and_processor(config, stay_on_cpu=True)
        torch.manual_seed(rank)
        model = lora.add_adapters(base.model, config)
        shard_model(model)
        accelerator = Accelerator(mixed_precision="bf16", cpu=True)
        with pytest.raises(ValueError, match="DTensor"):
            accelerator.prepare_model(model)
        let_ddp_ignore_shards(accelerator)
        shards = [part.clone() for part in shard_bytes(model)]
        wrapped = accelerator.prepare_model(model)
        batch = Collator(base, config)([load_split(config, images=True).train[rank]])
        del batch[ROW_IDS]
        wrapped.train()(**batch).loss.backward()
        return {
            "wrapper": type(wrapped).__name__,
            "kept": len(shards) > 0 and all(map(torch.equal, shards, shard_bytes(model))),
            "norm": sum(float(p.grad.norm()) for p in model.parameters() if p.grad is not None),
        }

    first, second = in_both_ranks(work)
    assert first["wrapper"] == second["wrapper"] == "DistributedDataParallel"
    assert first["kept"]
    assert second["kept"]
    assert first["norm"] == second["norm"] > 0


def test_a_model_without_layers_is_refused(values: dict[str, Any], in_both_ranks: Any) -> None:
    config = configuration(values)

    def work() -> str:
        model = lora.add_adapters(load_model_and_processor(config, stay_on_cpu=True).model, config)
        for module in list(model.modules()):
            for name, child in module.named_children():
                if isinstance(child, GradientCheckpointingLayer):
                    setattr(module, name, nn.Identity())
        with pytest.raises(TrainingError) as refused:
            shard_model(model)
        return str(refused.value)

    assert all(
        "Idefics3ForConditionalGeneration cannot be sharded" in message
        for message in in_both_ranks(work)
    )
