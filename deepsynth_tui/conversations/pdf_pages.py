"""Pages of PDF files as PNG files, for olmOCR's pairs of PDF and Markdown."""

from __future__ import annotations

import atexit
import hashlib
import os
from functools import cache
from pathlib import Path

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.limited_process import LimitedProcess, LimitExceeded

# `target_longest_image_dim` of olmOCR's training configurations since version 0.2.
LONGEST_SIDE = 1288
SERVER = "deepsynth_tui.conversations.pdf_page_server"
MAX_SECONDS = 60
"""Seconds of processor time that a page may take."""
MAX_MEMORY = 4
"""GiB of memory that a page may take."""


def render_only_page(path: Path) -> Path:
    """Return a PNG file with the page of a PDF file of one page, as olmOCR trains on.

    The longer side has `LONGEST_SIDE` pixels. The file is kept in the cache.

    Raises:
        UnusableRow: the file is damaged, encrypted, has another number of pages, or takes too much
            time or memory.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise UnusableRow(f"there is no file {path}") from error
    identity = repr((str(path.resolve()), state.st_size, state.st_mtime_ns, LONGEST_SIDE))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
    image = cache_dir() / "pdf_pages" / digest[:2] / f"{digest}.png"
    if not image.is_file():
        image.parent.mkdir(parents=True, exist_ok=True)
        temporary = image.with_name(f".{image.name}.{os.getpid()}")
        _render(path, temporary)
        temporary.replace(image)
    return image


def _render(path: Path, image: Path) -> None:
    question = {"path": str(path), "image": str(image), "side": LONGEST_SIDE}
    try:
        answer = limited_renderer(os.getpid()).ask(question)
    except LimitExceeded as error:
        image.unlink(missing_ok=True)
        raise UnusableRow(f"{path} {_excess(error)}", "Convert the file, or remove it.") from error
    if "unreadable" in answer:
        raise UnusableRow(f"{path} is not a readable PDF file: {answer['unreadable']}")
    if answer["pages"] != 1:
        raise UnusableRow(
            f"{path} has {answer['pages']} pages; olmOCR has a file with one page for each text",
            "Split the file into pages, each with its own .md file.",
        )


@cache
def limited_renderer(pid: int) -> LimitedProcess:
    """Return the process of this one: a forked process must not share it."""
    process = LimitedProcess(SERVER, max_seconds=MAX_SECONDS, max_memory=MAX_MEMORY)
    atexit.register(process.__exit__)
    return process


def _excess(error: LimitExceeded) -> str:
    if error.limit == "time":
        return f"takes more than {MAX_SECONDS} seconds to render"
    if error.limit == "memory":
        return f"takes more than {MAX_MEMORY} GiB of memory to render"
    return f"crashes the PDF library: {error.detail}"
