"""A processor that expands prompts for pages whose features are known.

`ProcessorMixin.__call__` processes the images, writes the text of each into the prompt, and
tokenizes. Only the first of these needs pixels, and `_process_images` is the method for it: in a
copy of the processor it returns what is stored with the features. All checks stay in place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from deepsynth_tui.training.features.batch import UnencodedPage
from deepsynth_tui.training.features.entry import PageFeatures

if TYPE_CHECKING:
    from transformers import ProcessorMixin


def process_page(
    processor: ProcessorMixin, page: Image.Image
) -> tuple[Mapping[str, Any], str] | None:
    """Return the inputs that a processor makes of one page, and the text that it writes for it.

    None for a processor that does not work as `ProcessorMixin` does.
    """
    recorded: list[tuple[Mapping[str, Any], list[str]]] = []
    recording: Any = copy.copy(processor)
    original = recording._process_images

    def process_images(images: Any, **options: Any) -> Any:
        recorded.append(original(images, **options))
        inputs, texts = recorded[-1]
        return copy.copy(inputs), texts  # some processors remove what they do not return

    recording._process_images = process_images
    recording(
        text=[recording.image_token],
        images=[[page]],
        return_tensors="pt",
        padding=True,
        add_special_tokens=False,
    )
    if len(recorded) != 1 or len(recorded[0][1]) != 1:
        return None
    inputs, (text,) = recorded[0]
    return inputs, text


def without_pixels(inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return what a processor returns for one page, with empty tensors in place of pixels.

    InternVL slices the pixels of a batch, so these keep their first dimension. Lists are left out:
    they are read only for the text of a page.
    """
    tensors = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
    return {
        name: value.new_empty((len(value), 0)) if name.startswith("pixel") else value
        for name, value in tensors.items()
    }


def process_texts(
    processor: ProcessorMixin,
    texts: list[str],
    pages: Sequence[Sequence[PageFeatures | UnencodedPage]],
    **options: Any,
) -> dict[str, Any]:
    """Return what a processor returns for texts and the pages of each, without pixels."""
    known = [page for row in pages for page in row]
    names = known[0].inputs
    inputs = {name: torch.cat([page.inputs[name] for page in known]) for name in names}
    expanding: Any = copy.copy(processor)
    expanding._process_images = lambda images, **_: (dict(inputs), [page.text for page in known])
    stand_in = Image.new("RGB", (1, 1))
    stand_ins = [[stand_in] * len(row) for row in pages]
    return dict(expanding(text=texts, images=stand_ins, **options))
