"""The process that extracts the text of documents; `document_process` asks it."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.extract_text import extract_text
from deepsynth_tui.limited_server import serve_limited


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Return the text of the document, or why there is none."""
    try:
        return {"text": extract_text(Path(question["path"]), question["encoding"])}
    except UnreadableDocument as error:
        return {"unreadable": [error.reason, error.advice, error.detail]}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a parser that fails on one of many documents
        traceback.print_exc()
        detail = f"{type(error).__name__}: {error}"
        return {"unreadable": ["a document that its parser fails on", "Convert it.", detail]}


if __name__ == "__main__":
    sys.exit(serve_limited(answer))
