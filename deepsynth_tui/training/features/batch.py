"""The pages of a batch, with their features or with pixels that are still to be encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from deepsynth_tui.training.features.entry import PageFeatures

PAGES = "pages"
"""Key of the `PageBatch` in a batch of the collator."""


@dataclass(frozen=True, slots=True)
class UnencodedPage:
    """A page without features: what the processor returns for it alone.

    `key` is its hash, `encoder_inputs` are the arguments of the vision tower, `inputs` and `text`
    are those of `PageFeatures`. `was_damaged`: it had an entry that could not be read.
    """

    key: str
    encoder_inputs: Mapping[str, Any]
    inputs: Mapping[str, torch.Tensor]
    text: str
    was_damaged: bool = False


@dataclass
class EncodedPages(BaseModelOutputWithPooling):
    """What `get_image_features` returns, as far as a forward pass reads it.

    Granite-Docling reads `router_logits`, which only its own pre-training uses.
    """

    deepstack_features: list[list[torch.Tensor]] | None = None
    router_logits: torch.Tensor | None = None


@dataclass(frozen=True)
class PageBatch:
    """The pages of a batch in the order of the rows.

    `Trainer`, accelerate and `DataLoader` treat it as a tensor: they call `pin_memory` and `to`.
    """

    pages: Sequence[PageFeatures | UnencodedPage]

    @property
    def nbytes(self) -> int:
        """Bytes of all features and pixels."""
        return sum(tensor.nbytes for page in self.pages for tensor in _tensors(page))

    def features(self) -> list[PageFeatures]:
        """Return the features of all pages, which must have been encoded."""
        return [page for page in self.pages if isinstance(page, PageFeatures)]

    def pin_memory(self) -> PageBatch:
        """Return the batch with features in pinned memory."""
        return self._apply(torch.Tensor.pin_memory)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> PageBatch:
        """Return the batch with features on a device; pixels stay until they are encoded."""
        return self._apply(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def _apply(self, function: Callable[[torch.Tensor], torch.Tensor]) -> PageBatch:
        return PageBatch(
            [
                page
                if isinstance(page, UnencodedPage)
                else replace(
                    page,
                    pooled=function(page.pooled),
                    deepstack=None if page.deepstack is None else function(page.deepstack),
                )
                for page in self.pages
            ]
        )


def _tensors(page: PageFeatures | UnencodedPage) -> Iterator[torch.Tensor]:
    if isinstance(page, UnencodedPage):
        tensors = (*page.encoder_inputs.values(), *page.inputs.values())
    else:
        tensors = (page.pooled, page.deepstack, *page.inputs.values())
    yield from (tensor for tensor in tensors if isinstance(tensor, torch.Tensor))


def encoder_outputs(pages: Sequence[PageFeatures]) -> dict[str, EncodedPages]:
    """Return the features of all pages as the model's argument `mm_encoder_outputs`."""
    pooled: Any = [page.pooled for page in pages]
    if pooled[0].ndim > 2:  # views of one size, which the model gets as one tensor
        pooled = torch.cat(pooled)
    layers = [page.deepstack for page in pages if page.deepstack is not None]
    deepstack = [list(layer) for layer in zip(*layers, strict=True)] if layers else None
    return {"image": EncodedPages(pooler_output=pooled, deepstack_features=deepstack)}
