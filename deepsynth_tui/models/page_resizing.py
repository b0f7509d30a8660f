"""The size of a page in pixels after a resize: that of the trainer, or of an image processor."""

from __future__ import annotations

import math

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.layout import ImageDimensions

Size = tuple[int, int]
"""Width and height in pixels."""


def bounded_size(size: Size, model: ModelSettings) -> Size:
    """Scale a (width, height) so that its area lies between min_pixels and max_pixels.

    The aspect ratio is kept.
    """
    area = size[0] * size[1]
    bounded_area = max(area, model.min_pixels or area)
    bounded_area = min(bounded_area, model.max_pixels or bounded_area)
    if bounded_area == area:
        return size
    scale = math.sqrt(bounded_area / area)
    # A smaller page is rounded down and a larger one up, so that neither leaves the bounds.
    rounding = math.floor if scale < 1 else math.ceil
    return max(1, rounding(size[0] * scale)), max(1, rounding(size[1] * scale))


def fit_area(size: Size, image: ImageDimensions, model: ModelSettings) -> Size:
    """Return the size after ``smart_resize`` (models/qwen2_vl, paddleocr_vl, glm46v)."""
    side = image.patch * image.merge
    if min(size) < side:
        size = _with_enlarged_short_edge(size, side, image)
    area = size[0] * size[1]
    least, most = model.min_pixels or image.min_pixels, model.max_pixels or image.max_pixels
    # A limit of the processor gives way to one that is set.
    if not most:
        most = math.inf
    elif model.max_pixels is None:
        most = max(least, most)
    elif model.min_pixels is None:
        least = min(least, most)
    # An edge of less than half a token is rounded to 0, and the page enlarged to the least area.
    width, height = (round(edge / side) * side for edge in size)
    if width * height > most:
        scale = math.sqrt(area / most)
        width, height = (math.floor(edge / scale / side) * side for edge in size)
    elif width * height < least:
        scale = math.sqrt(least / area)
        width, height = (math.ceil(edge * scale / side) * side for edge in size)
    return max(side, width), max(side, height)


def _with_enlarged_short_edge(size: Size, side: int, image: ImageDimensions) -> Size:
    """Return the size with an edge shorter than a token enlarged, where the processor does this."""
    width, height = size
    match image.short_edge:
        case "kept":
            return size
        case "rounded":
            if height < side:
                width, height = round(width * side / height), side
            if width < side:
                width, height = side, round(height * side / width)
            return width, height
        case "floored":
            scale = side / min(size)
            return int(width * scale), int(height * scale)


def fit_edge(size: Size, image: ImageDimensions, model: ModelSettings) -> Size:
    """Return the size after the resize of models/pixtral: a longest edge, then whole patches."""
    edge = longest_edge_in_tiles(model.max_pixels, image.longest_edge, image.multiple)
    scale = max(1.0, max(size) / edge)
    width, height = (
        math.ceil(max(1, math.floor(length / scale)) / image.multiple) * image.multiple
        for length in size
    )
    return width, height


def longest_edge_in_tiles(max_pixels: int | None, longest_edge: int, tile: int) -> int:
    """Return the longest edge in pixels that keeps a page within `max_pixels`.

    It is a multiple of `tile`, at least one, and at most the `longest_edge` of the processor.
    """
    if max_pixels is None:
        return longest_edge
    return min(longest_edge, max(tile, math.isqrt(max_pixels) // tile * tile))
