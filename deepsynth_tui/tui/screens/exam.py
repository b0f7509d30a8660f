"""The result of an exam: scores with their intervals, and the rows that differ most first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, ScrollableContainer, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.child_session import SessionClosed
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.calm_screen import CalmScreen
from deepsynth_tui.tui.run_view.answers import mark_wrong, one_line
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.sample_pane import WRONG

if TYPE_CHECKING:
    from deepsynth_tui.workflows.adapter_look import AdapterLook

Report = Mapping[str, Any]
"""What `AdapterLook.report` returns."""
SCORE_WIDTH = 20
NAME_WIDTH = 28


class ExamScreen(ReportsWorkerErrors, CalmScreen[None]):
    """Shows an exam; the process that reads adapters computes the report and reads the pages."""

    CSS_PATH = "exam.tcss"
    BINDINGS = bindings("exam")
    AUTO_FOCUS = "#page"

    @dataclass
    class Computed(Message):
        """The report was computed."""

        report: Report

    @dataclass
    class PageRead(Message):
        """The page of a row was read, or cannot be: `problem`."""

        row: int
        columns: int
        page: Mapping[str, Any]
        problem: str = ""

    @dataclass
    class Failed(Message):
        """The exam cannot be shown."""

        reason: str

    def __init__(self, look: AdapterLook, folder: str, keys: Sequence[str]) -> None:
        super().__init__()
        self._look, self._folder, self._keys = look, folder, tuple(keys)
        self._report: Report | None = None
        self._index = 0
        self._pages: dict[tuple[int, int], tuple[Mapping[str, Any], str]] = {}

    def compose(self) -> ComposeResult:
        yield ModeBar("adapters")
        with VerticalScroll(id="scores"):
            yield Static("Computing scores and intervals …", markup=False)
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            with ScrollableContainer(id="page"):
                yield Static(markup=False)
            with VerticalScroll(id="answers"):
                yield Static(markup=False)
        yield DiffedFooter()

    def on_mount(self) -> None:
        self._compute(None)

    @work(thread=True, exclusive=True, exit_on_error=False, group="report")
    def _compute(self, metric: str | None) -> None:
        try:
            self.post_message(self.Computed(self._look.report(self._folder, self._keys, metric)))
        except SessionClosed:
            return
        except ChildError as error:
            self.post_message(self.Failed(str(error)))

    @on(Failed)
    def _close_with_error(self, event: Failed) -> None:
        self.notify(event.reason, title="No result", severity="error", markup=False)
        self.dismiss()

    @on(Computed)
    def _show_report(self, event: Computed) -> None:
        self._report, self._index = event.report, 0
        self._show_scores()
        self._show_row()

    def on_resize(self) -> None:
        """Show as many metrics as there is room for, and the page as wide as its pane."""
        if self._report is not None:
            self._show_scores()
            self._show_row()

    def _show_scores(self) -> None:
        if self._report is not None:
            scores = scores_text(self._report, self.size.width - 3)
            self.query_one("#scores > Static", Static).update(scores)

    # Rows

    def _show_row(self) -> None:
        report = self._report
        if report is None or not report["rows"]:
            return
        row = report["rows"][self._index]
        columns = max(self.query_one("#page").content_size.width - 1, 20)
        self.query_one("#title", Static).update(
            Content.assemble(
                (f"Row {self._index + 1} of {len(report['rows'])}", "bold $primary"),
                f"  {sanitize(row['row'])}  ",
                (f"{report['differing']} rows differ", "$muted"),
            )
        )
        self.query_one("#answers > Static", Static).update(answers_text(report, row))
        self.query_one("#answers").scroll_home(animate=False)
        if (row["index"], columns) in self._pages:
            self._show_page(row["index"], columns)
        else:
            self.query_one("#page > Static", Static).update("reading the page …")
            self._read_page(row["index"], columns)

    @work(thread=True, exclusive=True, exit_on_error=False, group="page")
    def _read_page(self, row: int, columns: int) -> None:
        worker = get_current_worker()
        try:
            page, problem = self._look.page(self._folder, row, columns), ""
        except SessionClosed:
            return
        except ChildError as error:
            page, problem = {}, str(error)
        if not worker.is_cancelled:
            self.post_message(self.PageRead(row, columns, page, problem))

    @on(PageRead)
    def _keep_page(self, event: PageRead) -> None:
        self._pages[event.row, event.columns] = event.page, event.problem
        if self._report and self._report["rows"][self._index]["index"] == event.row:
            self._show_page(event.row, event.columns)

    def _show_page(self, row: int, columns: int) -> None:
        page, problem = self._pages[row, columns]
        text = Text(f"✗ {sanitize(problem)}" if problem else "", overflow="fold")
        if page:
            pages = "\n\n".join("\n".join(lines) for lines in page["pages"])
            text = Text(pages or "(no page)", no_wrap=True)
            text.append(f"\n\n{_lines(page['question'])}", "dim")
        self.query_one("#page > Static", Static).update(text)
        self.query_one("#page").scroll_home(animate=False)

    # Actions

    def action_turn(self, by: int) -> None:
        """Show the next row, or the one before."""
        if self._report is None:
            return
        index = self._index + by
        if not 0 <= index < len(self._report["rows"]):
            self.notify("There are no more rows in this direction.", timeout=3)
            return
        self._index = index
        self._show_row()

    def action_metric(self) -> None:
        """Compare and order the rows by the next metric."""
        if self._report is not None:
            metrics = list(self._metrics())
            place = metrics.index(self._report["main_metric"])
            self._compute(metrics[(place + 1) % len(metrics)])

    def _metrics(self) -> Mapping[str, Any]:
        assert self._report is not None  # its caller has looked
        return next(iter(self._report["scores"].values()))

    def action_zoom(self) -> None:
        """Show page and answers alone, or the scores as well."""
        self.toggle_class("-zoomed")


def scores_text(report: Report, width: int) -> Group:
    """Return the scores in percent, the metric that decides first, differences, and notes."""
    names: Sequence[str] = report["names"]
    metrics = list(report["scores"][names[0]])
    metrics.sort(key=lambda metric: metric != report["main_metric"])
    name_width = min(NAME_WIDTH, max(map(len, names)))
    shown = metrics[: max(1, (width - name_width - 2) // (SCORE_WIDTH + 2))]
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column(Text("%, 95 % interval", "dim"), no_wrap=True, overflow="ellipsis")
    for metric in shown:
        style = "bold" if metric == report["main_metric"] else "dim"
        table.add_column(Text(report["labels"][metric], style), no_wrap=True)
    for name in names:
        cells = (_interval(report["scores"][name][metric]) for metric in shown)
        shown_name = sanitize(name)
        if len(shown_name) > name_width:  # the end of a path tells more than its beginning
            shown_name = f"…{shown_name[1 - name_width :]}"
        table.add_row(Text(shown_name), *cells)
    rows = f"{len(report['rows'])} rows of {report['data']} {report['split']}"
    parts: list[RenderableType] = [Text(sanitize(rows), "dim"), table]
    parts += [Text(sanitize(sentence)) for sentence in report["sentences"]]
    parts += [Text(f"! {sanitize(note)}", "dim") for note in _notes(report)]
    if hidden := len(metrics) - len(shown):
        parts.append(Text(f"{hidden} more metrics: {key_of('exam.metric')} shows the next", "dim"))
    return Group(*parts)


def _notes(report: Report) -> Iterator[str]:
    yield from report["notes"]
    for name, count in report["cut_answers"].items():
        if count:
            yield f"{name}: {count} answers did not end within their limit"
    for name, count in report["not_json"].items():
        if count:
            yield f"{name}: {count} answers are not JSON, their targets are"


def _interval(score: Mapping[str, float]) -> Text:
    text = Text(f"{100 * score['value']:.1f}", "bold")
    text.append(f" [{100 * score['low']:.1f}, {100 * score['high']:.1f}]", "not bold")
    return text


def answers_text(report: Report, row: Mapping[str, Any]) -> Text:
    """Return the target and every answer, with the characters that differ underlined."""
    metric = report["main_metric"]
    target = one_line(row["target"])
    text = Text.assemble(("target\n", "dim"), (f"{target or '(empty)'}\n\n", "bold"))
    for name, answer in row["answers"].items():
        score = answer["scores"].get(metric)
        figure = "" if score is None else f"  {report['labels'][metric]} {100 * score:.1f} %"
        text.append(sanitize(name), "bold")
        text.append(f"{figure}{'  cut: it did not end' if answer['is_cut'] else ''}\n", "dim")
        parts = mark_wrong(target, one_line(answer["output"]))
        for part in parts:
            text.append(part.text, WRONG if part.is_wrong else "")
        is_right = row["target"].strip() == answer["output"].strip()
        text.append("" if parts else "(empty)", "dim")
        text.append("  ok\n\n" if is_right else "\n\n", "green")
    return text


def _lines(text: str) -> str:
    return "\n".join(map(sanitize, text.splitlines()))
