"""How many tokens a page image takes, from its size and the rule of the model's processor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.training import ModelSettings
from deepsynth_tui.estimate.profiles.profile import ImageFigures


@dataclass(frozen=True, slots=True)
class PageSize:
    """A page image in pixels."""

    width: int
    height: int


# DeepSeek-OCR-2 cuts a page into two to six tiles beside the view of the whole
# (models/deepseek_ocr2/image_processing_deepseek_ocr2.py).
_DEEPSEEK_TILES = (2, 6)
# Marks around a tile of Idefics3 and SmolVLM: start, row and column
# (models/idefics3/processing_idefics3.py, `replace_image_token`).
_TILE_MARKS = 2


def page_tokens(page: PageSize, image: ImageFigures, model: ModelSettings) -> int | None:
    """Tokens one page takes in the prompt; None if the rule of this model is not known."""
    match image.rule:
        case "pixels":
            side = image.patch * image.merge
            width, height = _fit_pixels(page, side, image, model)
            return (width // side) * (height // side)
        case "deepseek_ocr2":
            view = (image.longest_edge // image.patch // image.merge) ** 2
            return view + image.tile_tokens * _deepseek_tiles(page, image.tile) + 1
        case "tiles":
            return _tile_tokens(page, image)
        case "fixed":
            return image.tile_tokens
        case "unknown":
            return None


def patches_of(tokens: int, image: ImageFigures) -> int:
    """Patches the vision tower reads to make this many tokens."""
    return tokens * image.merge**2


def _fit_pixels(
    page: PageSize, side: int, image: ImageFigures, model: ModelSettings
) -> tuple[int, int]:
    """Width and height after the resize of ``smart_resize`` (models/qwen2_vl)."""
    most = model.max_pixels or image.max_pixels or page.width * page.height
    least = model.min_pixels or image.min_pixels
    width, height = (max(side, round(edge / side) * side) for edge in (page.width, page.height))
    if width * height > most:
        scale = math.sqrt(page.width * page.height / most)
        width, height = (
            max(side, math.floor(edge / scale / side) * side) for edge in (page.width, page.height)
        )
    elif width * height < least:
        scale = math.sqrt(least / (page.width * page.height))
        width, height = (
            math.ceil(edge * scale / side) * side for edge in (page.width, page.height)
        )
    return width, height


def _deepseek_tiles(page: PageSize, tile: int) -> int:
    """Tiles of the grid whose aspect is nearest the page's, 0 for a page of one tile."""
    if max(page.width, page.height) <= tile:
        return 0
    fewest, most = _DEEPSEEK_TILES
    grids = sorted(
        (
            (columns, rows)
            for columns in range(1, most + 1)
            for rows in range(1, most + 1)
            if fewest <= columns * rows <= most
        ),
        key=lambda grid: grid[0] * grid[1],
    )
    aspect = page.width / page.height
    best, distance = grids[0], math.inf
    for columns, rows in grids:
        off = abs(aspect - columns / rows)
        wide_enough = page.width * page.height > 0.5 * tile**2 * columns * rows
        if off < distance or (off == distance and wide_enough):
            best, distance = (columns, rows), off
    return best[0] * best[1]


def _tile_tokens(page: PageSize, image: ImageFigures) -> int:
    """Tiles of a grown page, plus the view of the whole (models/idefics3)."""
    edge = image.longest_edge or 4 * image.tile
    scale = edge / max(page.width, page.height)
    columns = math.ceil(page.width * scale / image.tile)
    rows = math.ceil(page.height * scale / image.tile)
    whole = image.tile_tokens + 3
    if columns * rows == 1:
        return whole
    return columns * rows * (image.tile_tokens + _TILE_MARKS) + rows + whole
