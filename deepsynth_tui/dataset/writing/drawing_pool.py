"""Documents drawn one after the other, or by several processes, with the same result."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing.process import BaseProcess

from deepsynth_tui.config.dataset import DatasetConfig, PageSettings
from deepsynth_tui.dataset.drawing.rendering import Rendered, Renderer
from deepsynth_tui.dataset.errors import DocumentTooLong
from deepsynth_tui.dataset.reading.composing import Composed, Skipped, compose
from deepsynth_tui.dataset.reading.sources import Document

# More characters than this part that nobody could read off the page, and the page would teach
# nothing but guessing: boxes for missing glyphs, or right-to-left text drawn from left to right.
MOST_UNREADABLE = 0.2
NO_GLYPHS = "the font lacks its characters"
NOT_SHAPED = "right-to-left or joined script, which cannot be drawn yet"
# Documents under way for each process: enough that none waits, few enough to hold in memory.
AHEAD = 4


@dataclass(frozen=True, slots=True)
class DrawnDocument:
    """A document and the PNG files of its pages. `rendered` has no images: they are in `pages`."""

    document: Composed
    pages: tuple[bytes, ...]
    rendered: Rendered


def draw_document(document: Document, config: DatasetConfig) -> DrawnDocument | Skipped:
    """Draw one document. Raises `DocumentTooLong`, `FontError` and `PageError`."""
    composed = compose(document, config.instruction)
    if isinstance(composed, Skipped):
        return composed
    rendered = renderer(config.page).render(composed.prompted_text)
    if rendered.unreadable_share > MOST_UNREADABLE:
        lacking = rendered.missing.total() >= rendered.unshaped
        return Skipped(composed.source_id, NO_GLYPHS if lacking else NOT_SHAPED)
    if len(rendered.pages) > 1 and config.on_overflow == "error":
        raise DocumentTooLong(
            f"document {composed.source_id} needs {len(rendered.pages)} pages",
            "Set on_overflow to paginate, take a larger page or a smaller font, or shorten it.",
            "on_overflow",
        )
    return DrawnDocument(
        composed, tuple(page.png() for page in rendered.pages), rendered.without_images()
    )


def renderer(page: PageSettings) -> Renderer:
    """Return the renderer of this process for `page`; its glyphs are drawn once."""
    return _renderer(page.model_dump_json())


@cache
def _renderer(page: str) -> Renderer:
    return Renderer(PageSettings.model_validate_json(page))


def draw_documents(
    documents: Iterable[Document], config: DatasetConfig
) -> Iterator[DrawnDocument | Skipped]:
    """Draw `documents` in their order, in `config.num_proc` processes.

    Raises what `draw_document` and `documents` raise, at the place of the document concerned;
    `BrokenProcessPool` where a process was killed.
    """
    if config.num_proc == 1:
        yield from (draw_document(document, config) for document in documents)
        return
    pool = ProcessPoolExecutor(
        config.num_proc,
        # A forked copy of a process with threads can hang; a fresh one cannot.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_with_parent,
    )
    under_way: deque[Future[DrawnDocument | Skipped]] = deque()
    try:
        for document in documents:
            under_way.append(pool.submit(draw_document, document, config))
            if len(under_way) >= AHEAD * config.num_proc:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_with_parent() -> None:
    """Make this process end when its parent does, and only then: signals are for the parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent,), daemon=True).start()


def _wait_and_exit(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
