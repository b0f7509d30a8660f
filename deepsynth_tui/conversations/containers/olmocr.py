"""Rows of olmOCR: PDF files of one page, each with a Markdown file of the same name.

The question is the prompt of olmOCR's `NewYamlFinetuningPromptWithNoAnchoring`, and the answer the
Markdown file as it is: olmOCR learns its front matter too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.errors import DatasetError

PROMPT = (
    "Attached is one page of a document that you must process. Just return the plain text "
    "representation of this document as if you were reading it naturally. Convert equations to "
    "LateX and tables to HTML.\n"
    "If there are any figures or charts, label them with the following markdown syntax "
    "![Alt text describing the contents of the figure](page_startx_starty_width_height.png)\n"
    "Return your output as markdown, with a front matter section on top specifying values for the "
    "primary_language, is_rotation_valid, rotation_correction, is_table, and is_diagram parameters."
)


def paired_files(folder: Path) -> list[Path]:
    """Return the PDF files below a folder that have a Markdown file of the same name."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".pdf")
    return [path for path in files if path.with_suffix(".md").is_file()]


def iter_olmocr(files: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield (PDF file, values) for each file.

    Raises:
        DatasetError: a Markdown file is not UTF-8.
    """
    for path in files:
        markdown = path.with_suffix(".md")
        try:
            text = markdown.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"{markdown} cannot be read as UTF-8 text: {error}",
                "Convert or remove the file.",
                "data.path",
            ) from error
        front = text.startswith("---\n")
        values = {"image": {"pdf": str(path.resolve())}, "answer": text}
        yield path, {**values, "question": PROMPT} if front else values
