"""`model.min_pixels` and `model.max_pixels` as settings of the image processor.

A processor that has limits of its own gets these, so that the one that is saved with the adapter
resizes a page as in training. For any other processor `training.data.pages` resizes pages first,
and the model card says how.
"""

from __future__ import annotations

import copy
import inspect
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from deepsynth_tui.models.page_resizing import longest_edge_in_tiles

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin

    from deepsynth_tui.config.model import ModelSettings
    from deepsynth_tui.config.training import TrainingConfig

    P = TypeVar("P", bound=ProcessorMixin | PreTrainedTokenizerBase)

TILE_PROCESSORS = ("Idefics3ImageProcessor", "SmolVLMImageProcessor")
"""They scale every page, small ones too, to `size.longest_edge`, and cut it into tiles."""
EDGE_PROCESSORS = ("PixtralImageProcessor",)
"""They downscale a page whose longest edge exceeds `size.longest_edge`."""
_BACKEND_SUFFIXES = ("Pil", "Fast")


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """The limits that a page must be resized to before the processor sees it.

    None where no limit is set and where the processor applies it. `notes` say what differs from
    the settings.
    """

    min_pixels: int | None = None
    max_pixels: int | None = None
    notes: tuple[str, ...] = ()

    def before_processor(self, config: TrainingConfig) -> TrainingConfig:
        """Return `config` with only the limits that the processor does not apply."""
        limits = {"min_pixels": self.min_pixels, "max_pixels": self.max_pixels}
        return config.model_copy(update={"model": config.model.model_copy(update=limits)})


def apply_pixel_limits(processor: P, settings: ModelSettings) -> tuple[P, PixelLimits]:
    """Return a copy of the processor with the limits of `settings`, and what it cannot apply."""
    images: Any = getattr(processor, "image_processor", None)
    if images is None or (settings.min_pixels is None and settings.max_pixels is None):
        return processor, PixelLimits()
    if _has_area_limits(images):
        return _with_size(processor, _area_size(images, settings)), PixelLimits()
    name = _class_name(images)
    if name in TILE_PROCESSORS:
        return _limit_tiles(processor, images, settings)
    if name in EDGE_PROCESSORS:
        return _limit_edge(processor, images, settings)
    bounds = " and ".join(
        f"model.{name} {value}"
        for name in ("min_pixels", "max_pixels")
        if (value := getattr(settings, name))
    )
    note = (
        f"The image processor of this model has no limit for the area of a page: pages are resized "
        f"to {bounds} before it. Whoever uses the result must do the same; the model card shows how"
    )
    return processor, PixelLimits(settings.min_pixels, settings.max_pixels, (note,))


def _has_area_limits(images: Any) -> bool:
    """Whether the edges in `size` are areas in pixels, as in Qwen-VL and what derives from it."""
    return _smart_resize(images) is not None and {"shortest_edge", "longest_edge"} <= {
        name for name, value in dict(images.size).items() if value
    }


def _smart_resize(images: Any) -> Any:
    """Return the function with which the class resizes, None if it is another."""
    modules = (sys.modules[cls.__module__] for cls in type(images).__mro__)
    return next((vars(m)["smart_resize"] for m in modules if "smart_resize" in vars(m)), None)


def _area_size(images: Any, settings: ModelSettings) -> dict[str, int]:
    """Return the `size` with our limits; a limit of the checkpoint gives way to one that is set."""
    # GLM-V limits height x width x frames, and repeats an image to fill a temporal patch.
    counts_frames = "num_frames" in inspect.signature(_smart_resize(images)).parameters
    frames = images.temporal_patch_size if counts_frames else 1
    least = settings.min_pixels or images.size["shortest_edge"] // frames
    most = settings.max_pixels or images.size["longest_edge"] // frames
    if settings.min_pixels is None:
        least = min(least, most)
    if settings.max_pixels is None:
        most = max(least, most)
    return {"shortest_edge": least * frames, "longest_edge": most * frames}


def _limit_tiles(processor: P, images: Any, settings: ModelSettings) -> tuple[P, PixelLimits]:
    tile = images.max_image_size["longest_edge"]
    edge = longest_edge_in_tiles(settings.max_pixels, images.size["longest_edge"], tile)
    scaled = f"the image processor of this model scales every page to a longest edge of {edge}"
    notes = []
    if settings.min_pixels:
        notes.append(f"model.min_pixels has no effect: {scaled} pixels")
    if settings.max_pixels and settings.max_pixels < tile * tile:
        notes.append(f"model.max_pixels is less than a tile of {tile} x {tile} pixels: {scaled}")
    elif settings.max_pixels:
        notes.append(f"model.max_pixels: {scaled} pixels, in tiles of {tile} x {tile}")
    return _with_size(processor, {"longest_edge": edge}), PixelLimits(notes=tuple(notes))


def _limit_edge(processor: P, images: Any, settings: ModelSettings) -> tuple[P, PixelLimits]:
    notes = []
    size = {"longest_edge": images.size["longest_edge"]}
    if settings.max_pixels:
        patch = images.patch_size
        side = patch if isinstance(patch, int) else patch["height"]
        edge = max(side, math.isqrt(settings.max_pixels) // side * side)
        size = {"longest_edge": min(images.size["longest_edge"], edge)}
        notes.append(
            "model.max_pixels: the image processor of this model limits the longest edge of a page "
            f"to {size['longest_edge']} pixels"
        )
    if settings.min_pixels:
        notes.append(
            f"The image processor of this model has no lower limit: pages are resized to "
            f"model.min_pixels {settings.min_pixels} before it. Whoever uses the result must do "
            "the same; the model card shows how"
        )
    return _with_size(processor, size), PixelLimits(settings.min_pixels, None, tuple(notes))


def _with_size(processor: P, size: dict[str, int]) -> P:
    changed: Any = copy.copy(processor)
    changed.image_processor = copy.copy(changed.image_processor)
    changed.image_processor.size = type(changed.image_processor.size)(**size)
    return changed


def _class_name(images: Any) -> str:
    name = type(images).__name__
    for suffix in _BACKEND_SUFFIXES:
        name = name.removesuffix(suffix)
    return name
