"""`generate --preview`: pages as files to look at, and what each is to a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.training import ModelSettings
from deepsynth_tui.dataset.preview import PageFigures, preview
from deepsynth_tui.dataset.reading.composing import Skipped
from deepsynth_tui.estimate.profiles.images import PageSize, enlargement, page_tokens
from deepsynth_tui.estimate.profiles.profile import ImageFigures

PAGE_FILES = "page-*.png"


@dataclass(frozen=True, slots=True)
class Seen:
    """A page that was written to `file`; the last three are None without a model that is known.

    `image_tokens` is what the page takes in the model's prompt; `x_height_seen`, in pixels, what
    is left of the small letters after the model's own resize.
    """

    file: Path
    figures: PageFigures
    image_tokens: int | None
    x_height_seen: float | None

    @property
    def characters_per_token(self) -> float | None:
        """How many characters of the text an image token stands for."""
        tokens = self.image_tokens
        return round(self.figures.characters / tokens, 2) if tokens else None

    def to_json(self) -> dict[str, Any]:
        """Return every figure."""
        return {
            "file": str(self.file),
            **self.figures.to_json(),
            "image_tokens": self.image_tokens,
            "characters_per_token": self.characters_per_token,
            "x_height_seen": self.x_height_seen,
        }


def write_preview(
    config: DatasetConfig, documents: int, folder: Path, image: ImageFigures | None
) -> Iterator[Seen | Skipped]:
    """Draw the first `documents` into `folder`, in place of an earlier preview there.

    Raises `DatasetError`s and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(PAGE_FILES):
        old.unlink()
    number = 0
    for page in preview(config, documents):
        if isinstance(page, Skipped):
            yield page
            continue
        number += 1
        file = folder / PAGE_FILES.replace("*", f"{number:04d}")
        file.write_bytes(page.png)
        yield seen(file, page.figures, image)


def seen(file: Path, figures: PageFigures, image: ImageFigures | None) -> Seen:
    """Return what a page is to a model that reads images as `image` says."""
    if image is None:
        return Seen(file, figures, None, None)
    size, model = PageSize(figures.width, figures.height), ModelSettings()
    scale = enlargement(size, image, model)
    tokens = page_tokens(size, image, model)
    return Seen(file, figures, tokens, round(figures.x_height * scale, 1) if scale else None)


def told(page: Seen | Skipped) -> str:
    """Return a line about a page, or about a document that is left out."""
    if isinstance(page, Skipped):
        return f"{page.source_id}: left out, {page.reason}"
    one = page.figures
    parts = [
        f"{page.file}: {one.document}, page {one.page} of {one.pages}",
        f"{one.width} x {one.height}",
        f"{one.characters} characters",
        f"text {one.font_size} px, x-height {one.x_height} px",
    ]
    if page.x_height_seen is not None:
        parts.append(f"{page.x_height_seen} px to the model")
    if page.image_tokens is not None:
        parts.append(
            f"{page.image_tokens} image tokens, {page.characters_per_token} characters each"
        )
    flaws = {
        "characters that no font has": one.missing_glyphs,
        "words split": one.split_tokens,
        "glyphs cut off": one.clipped_glyphs,
    }
    parts += [f"{count} {name}" for name, count in flaws.items() if count]
    return ", ".join(parts)
