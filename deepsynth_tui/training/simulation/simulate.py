"""A training step without memory: build, run, read the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch._subclasses import FakeTensorMode

from deepsynth_tui.models.image_tokens import page_views
from deepsynth_tui.training.simulation.batch import Shape, pages, tokens
from deepsynth_tui.training.simulation.cuda import CudaKernels
from deepsynth_tui.training.simulation.ledger import Ledger, Owner
from deepsynth_tui.training.simulation.model import build, quantisation_states
from deepsynth_tui.training.simulation.step import make_optimizer, take_step
from deepsynth_tui.training.simulation.tensors import Weightless

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.row_statistics import RowStatistics
    from deepsynth_tui.models.hub_config import HubConfig
    from deepsynth_tui.models.layout import ImageDimensions


@dataclass(frozen=True, slots=True)
class Peak:
    """Most bytes alive at once in a step, and whose they are then.

    `reserved` is what the caching allocator takes from a GPU that has plenty, `least` what the
    smallest GPU must have on which it still serves every allocation.
    """

    allocated: int
    reserved: int
    least: int
    parts: Mapping[Owner, int]


def simulate(
    config: TrainingConfig,
    architecture: HubConfig,
    image: ImageDimensions | None,
    dataset: RowStatistics,
) -> Peak:
    """Take one step of the run that `config` describes, on its longest batch."""
    length = dataset.longest(config.data.max_length)
    views = page_views(dataset.page, image, config.model, length) if image else None
    if views is not None and views.tokens >= length:
        views = None  # the trainer refuses such a row; the estimate warns of it
    shape = Shape(config.training.per_device_train_batch_size, length, views)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    model = build(architecture.config, config, fake)
    ledger = Ledger(architecture.config.get_text_config().vocab_size)
    for parameter in model.parameters():
        own = config.lora.enabled and parameter.requires_grad
        ledger.assign([parameter], "adapters" if own else "weights")
    ledger.assign(quantisation_states(model), "weights")
    ledger.assign(model.buffers(), "weights")
    batch = tokens(shape, architecture.config)
    if image is not None:
        batch |= pages(shape, image, architecture.config, fake)
    ledger.assign((one for one in batch.values() if isinstance(one, torch.Tensor)), "activations")
    optimizer = make_optimizer(model, config)
    with CudaKernels(), Weightless(fake, ledger):
        take_step(model, optimizer, batch, config, ledger)
    return Peak(ledger.peak, ledger.trace.reserved(), ledger.trace.least(), ledger.at_peak)
