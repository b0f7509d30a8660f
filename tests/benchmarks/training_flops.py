"""FLOPs of a training step at full size, by PyTorch's counter: `python -m
tests.benchmarks.training_flops [MODEL ...]`.

Models are on fake tensors, so that any machine can count. A row is a page of 1024 x 1024 pixels
and 256 tokens of text, of which the last 128 are the answer. Compared with a plain script of
transformers and PEFT with gradient checkpointing: the job without the cache of page features, and
with it from the second pass over a page on. Both make logits of the answer alone.

These are operations, not seconds: a small language model uses a GPU less well than a vision tower.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.models.hub_config import HubConfig, bundled_models
from deepsynth_tui.models.image_tokens import PageSize, page_views
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.simulation.batch import BatchShape, image_inputs, text_inputs
from deepsynth_tui.training.simulation.cuda_emulation import CudaEmulation
from deepsynth_tui.training.simulation.fake_tensors import TrackedFakeTensors
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker
from deepsynth_tui.training.simulation.model import build_fake_model
from deepsynth_tui.training.simulation.step import backward
from tests.benchmarks import random_checkpoint

SIDE = 1024  # pixels
TEXT, ANSWER = 256, 128  # tokens
MODELS = (*random_checkpoint.SCALED, "Qwen/Qwen3-VL-4B-Instruct")
TILES = {"do_image_splitting": True, "size": {"longest_edge": 2048}}


def _grouped_product(rows: Sequence[int], experts: Sequence[int], *_: Any, **__: Any) -> int:
    """Return the operations of (rows, in) times (experts, in, out), or of its gradient."""
    if len(experts) == 2:  # (out, rows) times (rows, in), a gradient of the experts
        return 2 * rows[0] * rows[1] * experts[1]
    return 2 * rows[0] * experts[1] * experts[2]


EXPERTS = {torch.ops.aten._grouped_mm: _grouped_product}
"""Formulas that PyTorch's counter lacks."""


@dataclass(frozen=True, slots=True)
class Flops:
    """Floating point operations of a step with one row."""

    tokens: int
    tower: int
    plain: int
    job: int
    cached: int


def count(name: str) -> Flops:
    """Count the operations of a step of the model `name`."""
    processor = bundled_models().get(name, {}).get("processor", TILES)
    hub_config = HubConfig(random_checkpoint.released_config(name), processor, "folder")
    config = TrainingConfig.model_validate(
        {
            "model": {"name_or_path": name},
            "data": {"path": "synthetic", "max_length": 10**6},
            "training": {"gradient_checkpointing": False},
        }
    )
    image = image_dimensions(hub_config)
    views = page_views(PageSize(SIDE, SIDE), image, config.model, 10**6) if image else None
    if image is None or views is None:
        raise ValueError(f"the image tokens of {name} are unknown")
    shape = BatchShape(1, views.tokens + TEXT, views)
    fake_mode = FakeTensorMode(allow_non_fake_inputs=True)
    model: Any = build_fake_model(hub_config.config, config, fake_mode)
    batch = text_inputs(shape, hub_config.config)
    batch["labels"][:, :-ANSWER] = -100
    batch |= image_inputs(shape, image, hub_config.config, fake_mode)
    tracker = MemoryTracker(hub_config.config.get_text_config().vocab_size)
    autocast = torch.autocast("cpu", torch.bfloat16)
    with CudaEmulation(), TrackedFakeTensors(fake_mode, tracker), autocast:
        enable_gradient_checkpointing(model)
        job = _step(model, batch)
        tower, features = _features(model, batch)
        cached = _step(model, _with_features(batch, features))
        # As in a plain script: all embeddings need gradients, those of the tower, too.
        model.activation_checkpointing_enable({"use_reentrant": False})
        del model.get_base_model().forward  # the loss of the job; the class has transformers' own
        plain = _step(model, batch)
    return Flops(shape.length, tower, plain, job, cached)


def _step(model: Any, batch: Mapping[str, Any]) -> int:
    return _counted(lambda: backward(model(**batch).loss))


def _features(model: Any, batch: Mapping[str, Any]) -> tuple[int, Any]:
    """Return the operations of the vision tower and projector, and their output."""
    compute = model.get_base_model().model.get_image_features
    names = batch.keys() & inspect.signature(compute).parameters.keys()
    kept: list[Any] = []
    with torch.no_grad():
        inputs = {name: batch[name] for name in names}
        flops = _counted(lambda: kept.append(compute(**inputs, return_dict=True)))
    return flops, kept[0]


def _with_features(batch: Mapping[str, Any], features: Any) -> dict[str, Any]:
    """Return the batch with features in place of pixels."""
    rest = {name: value for name, value in batch.items() if not name.startswith("pixel")}
    return {**rest, "mm_encoder_outputs": {"image": copy.copy(features)}}


class _NoModules(contextlib.nullcontext[None]):
    """In place of PyTorch's module tracker: the loss calls `autograd.grad`, which that refuses."""

    parents = ("Global",)


def _counted(compute: Callable[[], object]) -> int:
    counter: Any = FlopCounterMode(display=False, custom_mapping=EXPERTS)
    counter.mod_tracker = _NoModules()
    with counter:
        compute()
    return counter.get_total_flops()


def lines(counted: Mapping[str, Flops]) -> Iterator[str]:
    """Yield the table: TFLOPs of the tower and of a plain step, and its ratio to the others."""
    names = ("tokens", "tower", "plain", "job", "cached")
    yield f"{'model':40}" + "".join(f"{name:>13}" for name in names)
    for model, flops in counted.items():
        ratios = (flops.plain / ours for ours in (flops.job, flops.cached))
        figures = f"{flops.tokens:13}{flops.tower / 1e12:12.2f}T{flops.plain / 1e12:12.2f}T"
        yield f"{model:40}{figures}" + "".join(f"{ratio:12.2f}x" for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training_flops")
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    logging.disable(logging.WARNING)
    counted = {name: count(name) for name in parser.parse_args().models}
    print("\n".join(lines(counted)))  # noqa: T201 - a report


if __name__ == "__main__":
    main()
