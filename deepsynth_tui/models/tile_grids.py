"""The grid of tiles nearest to a page in aspect ratio (models/got_ocr2, granite_docling)."""

from __future__ import annotations

import math
from functools import lru_cache

from deepsynth_tui.models.layout import ImageDimensions

Grid = tuple[int, int]
"""Columns and rows of tiles."""

# DeepSeek-OCR-2 cuts a page that is larger than a tile into two to six tiles
# (models/deepseek_ocr2/image_processing_deepseek_ocr2.py).
DEEPSEEK_TILES = (2, 6)
# The tokenizer of Granite-Docling has marks for 16 rows and columns.
_LONGEST_SIDE = {"granite_docling": 16}


def deepseek_grid(width: int, height: int, tile: int) -> Grid:
    """Return the grid of DeepSeek-OCR-2; (1, 1) for a page that fits into a tile."""
    if max(width, height) <= tile:
        return 1, 1
    fewest, most = DEEPSEEK_TILES
    return _nearest_grid(width, height, tile, _grids(fewest, most, most))


def page_grid(width: int, height: int, image: ImageDimensions) -> Grid:
    """Return the grid of InternVL or Granite-Docling."""
    grid = _nearest_grid(width, height, image.tile, supported_grids(image))
    if not image.dense_tiles or image.most_tiles <= 1:
        return grid
    if not (image.dense_scale or image.dense_min_aspect):
        return grid
    aspect = width / height
    is_dense = (
        (not image.dense_min_aspect or aspect > image.dense_min_aspect)
        and (not image.dense_max_aspect or aspect <= image.dense_max_aspect)
        and (not image.dense_scale or grid[0] * image.tile / width < image.dense_scale)
    )
    if not is_dense:
        return grid
    return _nearest_grid(width, height, image.tile, supported_grids(image, image.dense_tiles))


def supported_grids(image: ImageDimensions, most: int = 0) -> tuple[Grid, ...]:
    """Return the grids of up to `most` tiles, by default the most of the processor."""
    most = most or image.most_tiles
    if most <= 1:
        return ((1, 1),)
    return _grids(image.fewest_tiles, most, min(most, _LONGEST_SIDE.get(image.rule, most)))


@lru_cache
def _grids(fewest: int, most: int, longest_side: int) -> tuple[Grid, ...]:
    """Return the grids of `fewest` to `most` tiles, in order of their number."""
    sides = range(1, longest_side + 1)
    grids = ((columns, rows) for columns in sides for rows in sides)
    return tuple(
        sorted(
            (grid for grid in grids if fewest <= grid[0] * grid[1] <= most),
            key=lambda grid: grid[0] * grid[1],
        )
    )


def _nearest_grid(width: int, height: int, tile: int, grids: tuple[Grid, ...]) -> Grid:
    """Return the grid nearest in aspect ratio; of equal ones, the largest that the page fills."""
    aspect = width / height
    best, distance = (1, 1), math.inf
    for columns, rows in grids:
        difference = abs(aspect - columns / rows)
        fills = width * height > 0.5 * tile**2 * columns * rows
        if difference < distance or (difference == distance and fills):
            best, distance = (columns, rows), difference
    return best
