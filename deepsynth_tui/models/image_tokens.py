"""The number of tokens of a page image, by the rule of the model's processor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.layout import ImageDimensions


@dataclass(frozen=True, slots=True)
class PageSize:
    """A page image in pixels."""

    width: int
    height: int


# DeepSeek-OCR-2 splits a page into two to six tiles, beside the global view
# (models/deepseek_ocr2/image_processing_deepseek_ocr2.py).
_DEEPSEEK_TILES = (2, 6)
# Separator tokens of a tile in Idefics3 and SmolVLM: image start, and row and column
# (models/idefics3/processing_idefics3.py, `replace_image_token`).
_TILE_SEPARATORS = 2


@dataclass(frozen=True, slots=True)
class PageViews:
    """The views of a page that a vision tower reads, and the `tokens` of the page in the prompt.

    `global_grid` is the view of the whole page in (rows, columns) of patches. `tile_count` tiles of
    `tile_side` x `tile_side` patches show parts of it. `separator_tokens` of the tokens only mark
    the beginning and end of a view.
    """

    tokens: int
    global_grid: tuple[int, int]
    tile_count: int = 0
    tile_side: int = 0
    separator_tokens: int = 0

    @property
    def patches(self) -> int:
        """Number of patches of all views."""
        return self.global_grid[0] * self.global_grid[1] + self.tile_count * self.tile_side**2


def page_views(
    page: PageSize | None, image: ImageDimensions, model: ModelSettings, length: int
) -> PageViews | None:
    """Return the views of a page; without a page, of the largest that fits into `length` tokens.

    None if the model's image rule is unknown, or if there is no page and none would fit.
    """
    views = _views(page, image, model, length)
    return None if views and page is None and views.tokens >= length else views


def _views(
    page: PageSize | None, image: ImageDimensions, model: ModelSettings, length: int
) -> PageViews | None:
    match image.rule:
        case "pixels":
            side = image.patch * image.merge
            if page is None:
                page = _square(image, model, length)
            width, height = _fit_pixels(page, side, image, model)
            tokens = (width // side) * (height // side)
            return PageViews(tokens, (height // image.patch, width // image.patch))
        case "deepseek_ocr2":
            grid = image.longest_edge // image.patch
            most = (length - (grid // image.merge) ** 2 - 1) // image.tile_tokens
            tiles = _deepseek_tiles(page, image.tile) if page else min(_DEEPSEEK_TILES[1], most)
            tiles = 0 if tiles < _DEEPSEEK_TILES[0] else tiles
            tokens = (grid // image.merge) ** 2 + image.tile_tokens * tiles + 1
            return PageViews(tokens, (grid, grid), tiles, image.tile // image.patch)
        case "tiles":
            edge = _longest_edge(image, model)
            page = page or PageSize(edge, edge)
            side = image.tile // image.patch
            columns, rows = _tile_grid(page, edge, image.tile)
            tiles = columns * rows if columns * rows > 1 else 0
            tokens = _tile_tokens(columns, rows, image)
            marks = tokens - (tiles + 1) * image.tile_tokens
            return PageViews(tokens, (side, side), tiles, side, marks)
        case "fixed":
            side = image.tile // image.patch
            return PageViews(image.tile_tokens, (side, side))
        case "unknown":
            return None


def page_tokens(page: PageSize, image: ImageDimensions, model: ModelSettings) -> int | None:
    """Return the tokens of a page in the prompt, None if the model's image rule is unknown."""
    views = page_views(page, image, model, length=0)
    return views.tokens if views else None


def resize_scale(page: PageSize, image: ImageDimensions, model: ModelSettings) -> float | None:
    """Return the scale at which the most detailed view shows a page; below 1 it shrinks the page.

    None if the model's image rule is unknown.
    """
    longest = max(page.width, page.height)
    match image.rule:
        case "pixels":
            width, height = _fit_pixels(page, image.patch * image.merge, image, model)
            return min(width / page.width, height / page.height)
        case "deepseek_ocr2":
            columns, rows = _deepseek_grid(page, image.tile)
            if columns * rows == 1:
                return image.longest_edge / longest
            return min(columns * image.tile / page.width, rows * image.tile / page.height)
        case "tiles":
            return _longest_edge(image, model) / longest
        case "fixed":
            return image.tile / longest
        case "unknown":
            return None


def _square(image: ImageDimensions, model: ModelSettings, length: int) -> PageSize:
    """The largest square page within the processor's limit that leaves a token for text."""
    side = image.patch * image.merge
    most = model.max_pixels or image.max_pixels or length * side**2
    edge = math.isqrt(min(length - 1, most // side**2)) * side
    return PageSize(edge, edge)


def _fit_pixels(
    page: PageSize, side: int, image: ImageDimensions, model: ModelSettings
) -> tuple[int, int]:
    """Width and height after ``smart_resize`` (models/qwen2_vl)."""
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
    """Number of tiles beside the global view, 0 for a page that fits into a tile."""
    columns, rows = _deepseek_grid(page, tile)
    return columns * rows if columns * rows > 1 else 0


def _deepseek_grid(page: PageSize, tile: int) -> tuple[int, int]:
    """Columns and rows of the tile grid whose aspect ratio is nearest to the page's."""
    if max(page.width, page.height) <= tile:
        return 1, 1
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
        difference = abs(aspect - columns / rows)
        large_enough = page.width * page.height > 0.5 * tile**2 * columns * rows
        if difference < distance or (difference == distance and large_enough):
            best, distance = (columns, rows), difference
    return best


def longest_edge_in_tiles(max_pixels: int | None, longest_edge: int, tile: int) -> int:
    """Return the longest edge in pixels that keeps a page within `max_pixels`.

    It is a multiple of `tile`, at least one, and at most the `longest_edge` of the processor.
    """
    if max_pixels is None:
        return longest_edge
    return min(longest_edge, max(tile, math.isqrt(max_pixels) // tile * tile))


def _longest_edge(image: ImageDimensions, model: ModelSettings) -> int:
    edge = image.longest_edge or 4 * image.tile
    return longest_edge_in_tiles(model.max_pixels, edge, image.tile)


def _tile_grid(page: PageSize, edge: int, tile: int) -> tuple[int, int]:
    """Columns and rows of tiles of a page resized to the longest edge (models/idefics3)."""
    scale = edge / max(page.width, page.height)
    return math.ceil(page.width * scale / tile), math.ceil(page.height * scale / tile)


def _tile_tokens(columns: int, rows: int, image: ImageDimensions) -> int:
    """Tokens of the tiles and the global view, separators included (models/idefics3)."""
    global_view = image.tile_tokens + 3
    if columns * rows == 1:
        return global_view
    return columns * rows * (image.tile_tokens + _TILE_SEPARATORS) + rows + global_view
