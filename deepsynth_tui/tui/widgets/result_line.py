"""The line of a completed run: what it made, and the keys that act on it."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.run_view.result_line import Result

_GAP = "   "
_MIN_PATH_WIDTH = 12


class ResultLine(Widget):
    """Shows a `Result` in one line; hidden while there is none. A long path loses its head."""

    DEFAULT_CSS = "ResultLine { height: 1; text-wrap: nowrap; display: none; }"

    result: reactive[Result | None] = reactive(None)

    def show(self, result: Result | None) -> None:
        """Show a result, or hide the line if it is None."""
        self.result = result
        self.display = result is not None

    def render(self) -> Content:
        result = self.result
        if result is None:
            return Content()
        facts = _GAP.join(result.facts)
        keys = Content(_GAP).join(
            Content.assemble((key_of(action), "bold $primary"), f" {label}")
            for action, label in _keys(result)
        )
        taken = len(result.what) + 1 + len(facts) + keys.cell_length + 2 * len(_GAP)
        room = self.content_size.width - taken
        path = str(result.path)
        if len(path) > room:
            path = "" if room < _MIN_PATH_WIDTH else f"…{path[-(room - 1) :]}"
        parts = [Content.assemble((result.what, "bold $success"), f" {path}" if path else "")]
        return Content(_GAP).join([*parts, Content(facts), keys])


def _keys(result: Result) -> list[tuple[str, str]]:
    keys = [("monitor.copy_path", "copy path")]
    if result.what == "adapter":
        keys.append(("monitor.try", "try"))
    keys.append(("monitor.train", "train on"))
    return keys
