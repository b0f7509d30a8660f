"""Pairs of a one-page PDF and Markdown for olmOCR (olmocr/train/README.md, "Dataset Format").

    train/00000000.pdf, 00000000.md

The Markdown is the answer below YAML front matter. olmOCR asks its own question: those of the rows
are left out, as are system prompts and boxes.
"""

from __future__ import annotations

from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.export.image_files import row_stem
from deepsynth_tui.export.pdf_page import pdf_of_image
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import DoesNotFit, only_turn, read_images

# What olmOCR's front matter says of a page, all of it required. The pages are upright; whether
# there are tables or diagrams is not known of them, and the language neither.
FRONT_MATTER = """\
---
primary_language: null
is_rotation_valid: True
rotation_correction: 0
is_table: False
is_diagram: False
---
"""


class OlmOcrWriter:
    """Writes one split."""

    def __init__(self, to: Destination, report: ExportReport) -> None:
        self._folder = to.folder / to.split
        self._folder.mkdir()
        self._report = report
        self._rows = 0

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`."""
        system, turn = only_turn(conversation)
        images = read_images(conversation)
        if len(images) != 1:
            raise DoesNotFit("the row has not exactly one image, and each PDF is one page")
        ((data, suffix),) = images
        stem = self._folder / row_stem(self._rows)
        stem.with_suffix(".pdf").write_bytes(pdf_of_image(data, suffix))
        stem.with_suffix(".md").write_text(FRONT_MATTER + turn.answer, encoding="utf-8", newline="")
        self._report.changes["the question is left out, since olmOCR asks its own"] += 1
        if system:
            self._report.changes["the system prompt is left out"] += 1
        if conversation.boxes:
            self._report.changes["the boxes are left out"] += 1
        self._rows += 1

    def close(self) -> None:
        """Remove the folder of a split without rows."""
        if not self._rows:
            self._folder.rmdir()
