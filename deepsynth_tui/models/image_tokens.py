"""The number of tokens of a page image, by the rule of the model's processor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.layout import ImageDimensions
from deepsynth_tui.models.page_resizing import (
    bounded_size,
    fit_area,
    fit_edge,
    longest_edge_in_tiles,
)
from deepsynth_tui.models.tile_grids import (
    DEEPSEEK_TILES,
    deepseek_grid,
    page_grid,
    supported_grids,
)


@dataclass(frozen=True, slots=True)
class PageSize:
    """A page image in pixels."""

    width: int
    height: int


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
    side = image.tile // image.patch if image.tile and image.patch else 0
    page = page and _before_processor(page, image, model)
    match image.rule:
        case "pixels":
            page = page or _square(image, model, length)
            return _merged_patches(fit_area((page.width, page.height), image, model), image)
        case "lighton_ocr":
            page = page or _square(image, model, length)
            return _merged_patches(fit_edge((page.width, page.height), image, model), image)
        case "deepseek_ocr2":
            return _deepseek_views(page, image, length)
        case "internvl" | "granite_docling":
            if page is None:
                columns, rows = _largest_grid(image, length)
            else:
                columns, rows = page_grid(page.width, page.height, image)
            tiles = columns * rows if columns * rows > 1 else 0
            tokens = _grid_tokens(columns, rows, image)
            marks = tokens - (tiles + 1) * image.tile_tokens
            return PageViews(tokens, (side, side), tiles, side, marks)
        case "tiles":
            edge = _longest_edge(image, model)
            page = page or PageSize(edge, edge)
            columns, rows = _tile_grid(page, edge, image.tile)
            tiles = columns * rows if columns * rows > 1 else 0
            tokens = _tile_tokens(columns, rows, image)
            marks = tokens - (tiles + 1) * image.tile_tokens
            return PageViews(tokens, (side, side), tiles, side, marks)
        case "fixed":
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
    bounded = _before_processor(page, image, model)
    match image.rule:
        case "pixels":
            width, height = fit_area((page.width, page.height), image, model)
        case "lighton_ocr":
            width, height = fit_edge((bounded.width, bounded.height), image, model)
        case "deepseek_ocr2":
            columns, rows = deepseek_grid(bounded.width, bounded.height, image.tile)
            if columns * rows == 1:
                return image.longest_edge / longest
            width, height = columns * image.tile, rows * image.tile
        case "internvl" | "granite_docling":
            columns, rows = page_grid(bounded.width, bounded.height, image)
            width, height = columns * image.tile, rows * image.tile
        case "tiles":
            return _longest_edge(image, model) / longest
        case "fixed":
            return image.tile / longest
        case "unknown":
            return None
    return min(width / page.width, height / page.height)


def _before_processor(page: PageSize, image: ImageDimensions, model: ModelSettings) -> PageSize:
    """Return the page within the limits that the processor does not apply (`pixel_limits`)."""
    if image.rule in ("pixels", "tiles", "fixed"):
        return page
    if image.rule == "lighton_ocr":
        model = model.model_copy(update={"max_pixels": None})
    return PageSize(*bounded_size((page.width, page.height), model))


def _square(image: ImageDimensions, model: ModelSettings, length: int) -> PageSize:
    """The largest square page within the processor's limit that leaves a token for text."""
    side = image.patch * image.merge
    most = model.max_pixels or image.max_pixels or length * side**2
    edge = math.isqrt(min(length - 1, most // side**2)) * side
    return PageSize(edge, edge)


def _merged_patches(size: tuple[int, int], image: ImageDimensions) -> PageViews:
    """The view of a page of this size; `merge` x `merge` patches make a token."""
    columns, rows = (edge // image.patch for edge in size)
    tokens = (rows // image.merge) * (columns // image.merge)
    return PageViews(tokens, (rows, columns))


def _deepseek_views(page: PageSize | None, image: ImageDimensions, length: int) -> PageViews:
    """The whole page and its tiles (models/deepseek_ocr2)."""
    grid = image.longest_edge // image.patch
    page_tokens = (grid // image.merge) ** 2 + 1
    if page is None:
        tiles = min(DEEPSEEK_TILES[1], (length - page_tokens) // image.tile_tokens)
    else:
        columns, rows = deepseek_grid(page.width, page.height, image.tile)
        tiles = columns * rows
    tiles = 0 if tiles < DEEPSEEK_TILES[0] else tiles
    tokens = page_tokens + image.tile_tokens * tiles
    return PageViews(tokens, (grid, grid), tiles, image.tile // image.patch)


def _largest_grid(image: ImageDimensions, length: int) -> tuple[int, int]:
    """The grid with the most tokens of those that leave a token for text."""
    sizes = {grid: _grid_tokens(*grid, image) for grid in ((1, 1), *supported_grids(image))}
    fitting = {grid: tokens for grid, tokens in sizes.items() if tokens < length}
    return max(fitting or ((1, 1),), key=sizes.__getitem__)


def _grid_tokens(columns: int, rows: int, image: ImageDimensions) -> int:
    """Tokens of a page of InternVL, which has two marks around all tiles, or Granite-Docling."""
    if image.rule == "internvl":
        tiles = columns * rows
        return (tiles + (tiles > 1)) * image.tile_tokens + 2
    return _tile_tokens(columns, rows, image)


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
