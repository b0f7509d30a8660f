"""Child process that holds models and answers pages; see `deepsynth_tui.child_session`.

The client is `workflows.try_adapter`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.child_session import Answering, serve_session


class TryServer:
    """Answers questions about the same adapters, whose models are loaded once."""

    def __init__(self) -> None:
        self._adapters: Any = None
        self._tried: Any = None

    def answer(self, question: Mapping[str, Any], answering: Answering) -> list[dict[str, Any]]:
        """Send the page, then the answers as they grow; return the complete ones."""
        from deepsynth_tui.adapters.find import find_adapter
        from deepsynth_tui.adapters.try_page import TriedAdapters, Watch
        from deepsynth_tui.adapters.try_text import page_of_file, page_of_text
        from deepsynth_tui.conversations.page_image import open_page
        from deepsynth_tui.page_thumbnail import braille_lines

        if self._tried is None:
            self._adapters = [find_adapter(name) for name in question["adapters"]]
            self._tried = TriedAdapters(self._adapters)
        first, home = self._adapters[0], Path(question["home"])
        if question["file"]:
            page = page_of_file(Path(question["file"]), first, home)
        else:
            page = page_of_text(question["text"], first, home)
        images = [open_page(image).image for image in page.conversation.images]
        lines = [braille_lines(image, question["columns"]) for image in images]
        answering.part({"pages": lines, "remark": page.remark})
        watch = Watch(
            on_loading=lambda base: answering.part({"loading": base}),
            on_text=lambda name, text: answering.part({"name": name, "text": text}),
            is_cancelled=lambda: answering.is_cancelled,
        )
        answers = []
        for answer in self._tried.answers(
            page.conversation,
            instruction=question["instruction"],
            new_tokens=question["new_tokens"],
            watch=watch,
        ):
            is_stopped = answering.is_cancelled and answer["is_cut"]
            answers.append({**answer, "is_stopped": is_stopped})
            answering.part({"done": answers[-1]})
        return answers


def main() -> int:
    """Answer the questions on stdin and return the exit status."""
    from deepsynth_tui.training.failures import explain_as_user_error
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    return serve_session(TryServer().answer, explain=explain_as_user_error)


if __name__ == "__main__":
    sys.exit(main())
