"""A page to try adapters on: an image, or a text drawn as the dataset of the adapter draws it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.try_out import page_conversation
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.conversations.conversation import (
    DEFAULT_INSTRUCTION,
    Conversation,
    image_part,
    text_part,
)
from deepsynth_tui.dataset.preview import PreviewPage, document_pages
from deepsynth_tui.dataset.reading.compose import Skipped
from deepsynth_tui.dataset.reading.extract_text import TEXT_EXTRACTORS, extract_text
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectoryError, find_run

if TYPE_CHECKING:
    from deepsynth_tui.conversations.conversation import StoredImage


@dataclass(frozen=True, slots=True)
class TriedPage:
    """The question for the models, and what it was made of."""

    conversation: Conversation
    remark: str


def page_of_file(path: Path, adapter: Adapter, home: Path) -> TriedPage:
    """Return an image as it is, or the text of a document drawn.

    Raises:
        UserError: the file is neither, cannot be read, or has no text.
    """
    if path.suffix.lower() not in TEXT_EXTRACTORS:
        try:
            conversation = page_conversation(path)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or error}", "Give another file") from error
        return TriedPage(conversation, f"{path.name}, as it is")
    return page_of_text(extract_text(path, None), adapter, home)


def page_of_text(text: str, adapter: Adapter, home: Path) -> TriedPage:
    """Draw a text as the dataset run of an adapter does, with its instruction.

    Raises:
        UserError: it has no ink, or cannot be drawn with these settings.
    """
    config, drawn_as = _drawing(adapter, home)
    pages = list(document_pages(Document("typed text", text, None), config))
    if not pages or isinstance(pages[0], Skipped):
        reason = pages[0].reason if pages and isinstance(pages[0], Skipped) else "it has no ink"
        raise UserError(f"The text cannot be drawn: {reason}", "Give another text, or an image")
    images: list[StoredImage] = [
        {"bytes": page.image, "path": f"page {number}"}
        for number, page in enumerate(pages, start=1)
        if isinstance(page, PreviewPage)
    ]
    question = [image_part() for _ in images] + [text_part(DEFAULT_INSTRUCTION)]
    conversation = Conversation(
        row_id="typed text",
        messages=[
            {"role": "user", "content": question},
            {"role": "assistant", "content": [text_part("?")]},
        ],
        images=images,
        document=text,
    )
    count = "a page" if len(images) == 1 else f"{len(images)} pages"
    return TriedPage(conversation, f"{len(text)} characters, drawn on {count} {drawn_as}")


def _drawing(adapter: Adapter, home: Path) -> tuple[DatasetConfig, str]:
    """Return the settings of the dataset run that an adapter was trained on, or the defaults."""
    name = adapter.lineage.get("dataset", {}).get("path", "")
    try:
        config = load_file(find_run(home, name).config, of_run=True).config if name else None
    except (RunDirectoryError, ConfigError, OSError):
        config = None
    if isinstance(config, DatasetConfig):
        return config, f"as {config.name} draws them"
    return DatasetConfig(), "with the default settings: its dataset is not of this program"
