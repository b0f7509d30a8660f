"""Draw the first pages of a dataset into image files: `generate --preview`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.preview import preview
from deepsynth_tui.dataset.reading.compose import Skipped
from deepsynth_tui.dataset.reading.mixture import Mixture
from deepsynth_tui.dataset.reading.sources import Source
from deepsynth_tui.image_format import image_suffix
from deepsynth_tui.models.page_for_model import PageForModel, PageInfo

PAGE_FILES = ("page-*.png", "page-*.jpg")


@dataclass(frozen=True, slots=True)
class PreviewFile:
    """A page that was written to `file`. `for_model` is None where no model was named."""

    file: Path
    figures: PageInfo
    for_model: PageForModel | None

    def to_json(self) -> dict[str, Any]:
        """Return every figure; the last three are None without a model."""
        for_model = self.for_model
        return {
            "file": str(self.file),
            **self.figures.to_json(),
            "image_tokens": for_model.tokens if for_model else None,
            "characters_per_token": (
                round(for_model.characters_per_token, 2) if for_model else None
            ),
            "x_height_seen": round(for_model.x_height, 1) if for_model else None,
        }


def write_preview(
    config: DatasetConfig,
    source: Source | Mixture,
    documents: int,
    folder: Path,
    page_for_model: Callable[[PageInfo], PageForModel | None],
) -> Iterator[PreviewFile | Skipped]:
    """Draw the first `documents` of `source`, that of `config`, into `folder`.

    They replace an earlier preview there. `page_for_model` returns what remains of a page after the
    model's image processor.

    Raises:
        DatasetError: a document cannot be read or drawn.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (file for pattern in PAGE_FILES for file in folder.glob(pattern)):
        old.unlink()
    number = 0
    for page in preview(config, source, documents):
        if isinstance(page, Skipped):
            yield page
            continue
        number += 1
        file = folder / f"page-{number:04d}{image_suffix(page.image)}"
        file.write_bytes(page.image)
        yield PreviewFile(file, page.figures, page_for_model(page.figures))


def page_line(page: PreviewFile | Skipped) -> str:
    """Return one line of text about a page, or about a document that is left out."""
    if isinstance(page, Skipped):
        detail = f": {page.detail}" if page.detail else ""
        return f"{page.source_id}: left out, {page.reason}{detail}"
    figures = page.figures
    parts = [
        f"{page.file}: {figures.document}, page {figures.page} of {figures.pages}",
        f"{figures.width} x {figures.height}",
        f"{figures.characters} characters",
        f"text {figures.font_size} px, x-height {figures.x_height} px",
    ]
    if for_model := page.for_model:
        parts.append(f"x-height for the model {for_model.x_height:.1f} px")
        parts.append(
            f"{for_model.tokens} image tokens, "
            f"{for_model.characters_per_token:.2f} characters per token"
        )
    flaws = {
        "characters without a glyph": figures.missing_glyphs,
        "words split": figures.split_tokens,
        "glyphs cut off": figures.clipped_glyphs,
        "characters in the answer that nobody can read": figures.unreadable_characters,
    }
    parts += [f"{count} {name}" for name, count in flaws.items() if count]
    return ", ".join(parts)
