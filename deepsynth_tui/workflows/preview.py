"""`generate --preview`: pages as files to look at, and what each is to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.preview import preview
from deepsynth_tui.dataset.reading.compose import Skipped
from deepsynth_tui.models.page_for_model import PageForModel, PageInfo

PAGE_FILES = "page-*.png"


@dataclass(frozen=True, slots=True)
class PreviewFile:
    """A page that was written to `file`; `seen` is what it is to a model, where one is known."""

    file: Path
    figures: PageInfo
    seen: PageForModel | None

    def to_json(self) -> dict[str, Any]:
        """Return every figure; the last three are None without a model."""
        seen = self.seen
        return {
            "file": str(self.file),
            **self.figures.to_json(),
            "image_tokens": seen.tokens if seen else None,
            "characters_per_token": round(seen.characters_per_token, 2) if seen else None,
            "x_height_seen": round(seen.x_height, 1) if seen else None,
        }


def write_preview(
    config: DatasetConfig,
    documents: int,
    folder: Path,
    sees: Callable[[PageInfo], PageForModel | None],
) -> Iterator[PreviewFile | Skipped]:
    """Draw the first `documents` into `folder`, in place of an earlier preview there; `sees` says
    what a page is to a model.

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
        yield PreviewFile(file, page.figures, sees(page.figures))


def page_line(page: PreviewFile | Skipped) -> str:
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
    if seen := page.seen:
        parts.append(f"{seen.x_height:.1f} px to the model")
        parts.append(f"{seen.tokens} image tokens, {seen.characters_per_token:.2f} characters each")
    flaws = {
        "characters that no font has": one.missing_glyphs,
        "words split": one.split_tokens,
        "glyphs cut off": one.clipped_glyphs,
    }
    parts += [f"{count} {name}" for name, count in flaws.items() if count]
    return ", ".join(parts)
