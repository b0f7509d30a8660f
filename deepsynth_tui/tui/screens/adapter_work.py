"""What the list of adapters does with them: exams, merges, exports and deletions, in threads.

One exam, merge or export is at work at a time. It goes on while other screens are shown, and is
killed with the program: an exam then goes on where it was, and nothing is written by halves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text
from textual import on, work
from textual.message import Message
from textual.widgets import Static

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.training.data.dataset_folder import may_be_dataset
from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.calm_screen import CalmScreen
from deepsynth_tui.tui.run_view.adapter_rows import short_name
from deepsynth_tui.tui.screens.adapter_questions import (
    EXPORTS,
    ONTO,
    exam_problem,
    merge_problem,
    output_problem,
)
from deepsynth_tui.tui.screens.exam import ExamScreen
from deepsynth_tui.tui.screens.run_dialog import AskedValue, AskValues, ChooseOne, Confirm, Tell
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.tui.widgets.label_grid import label_grid
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.workflows.adapter_look import AdapterEntry, AdapterLook
    from deepsynth_tui.workflows.adapter_work import AdapterWork


@dataclass(frozen=True, slots=True)
class ExamResult:
    """A finished exam: its folder, and the candidates of it that were asked for."""

    folder: str
    keys: Sequence[str]


Result = ExamResult | list[str]
"""Lines of text for a merge or an export."""


class WorksOnAdapters(ReportsWorkerErrors, CalmScreen[None]):
    """Base of the screen that lists adapters."""

    look: AdapterLook

    @dataclass
    class Progressed(Message):
        """The work has got on."""

        title: str
        text: str

    @dataclass
    class Ended(Message):
        """The work is done, was not because of `problem`, or was stopped."""

        title: str
        result: Result | None
        problem: str = ""

    @dataclass
    class DeletionPlanned(Message):
        """It is known what deleting adapters frees."""

        plans: Sequence[dict[str, Any]]
        refused: Sequence[str]

    class Deleted(Message):
        """Adapters were deleted."""

    def __init__(self) -> None:
        super().__init__()
        self._work: AdapterWork | None = None
        self._result: tuple[str, Result] | None = None

    def targets(self) -> list[AdapterEntry]:
        """Return the adapters that an action is meant for."""
        raise NotImplementedError

    @property
    def highlighted(self) -> AdapterEntry | None:
        """The adapter under the cursor."""
        raise NotImplementedError

    def training_data(self) -> str:
        """Return the dataset of an adapter that an action is meant for, if it is known."""
        raise NotImplementedError

    def forget_details(self) -> None:
        """Read what is known of the adapters again."""
        raise NotImplementedError

    def action_refresh_list(self) -> None:
        """Look for adapters again."""
        raise NotImplementedError

    @property
    def is_working(self) -> bool:
        """Whether an exam, merge or export is at work."""
        return self._work is not None

    @property
    def has_result(self) -> bool:
        """Whether there is a result to show."""
        return self._result is not None

    # Questions

    def action_compare(self) -> None:
        """Ask for pages, then examine the marked adapters or the highlighted one."""
        entries = self.targets()
        if self._refuse_second_work():
            return

        def start(values: dict[str, str] | None) -> None:
            if values is not None:
                limit = int(values["limit"]) if values["limit"] else None
                self._exam(
                    f"Exam of {_names(entries)} and the base",
                    [entry.name for entry in entries],
                    values["data"],
                    values["split"] or None,
                    limit,
                )

        self.app.push_screen(
            AskValues(
                f"Examine {_names(entries)}?",
                "All answer the same pages, and the base model, too. Rows that one of them learned "
                "are left out.",
                (
                    AskedValue("data", "Pages", self.training_data(), "a dataset run, file or id"),
                    AskedValue("split", "Split", "", "validation, test or the only one"),
                    AskedValue("limit", "At most", "", "all rows"),
                ),
                exam_problem,
            ),
            start,
        )

    def action_merge(self) -> None:
        """Ask where to, then merge the highlighted adapter into its base."""
        entry = self.highlighted
        if entry is None or self._refuse_second_work():
            return

        def start(values: dict[str, str] | None) -> None:
            if values is not None:
                drift = float(values["drift"]) if values["drift"] else None
                self._merge(
                    f"Merge of {short_name(entry)}",
                    entry.name,
                    Path(values["output"]),
                    values["onto"],
                    drift,
                    values["data"] or None,
                )

        self.app.push_screen(
            AskValues(
                f"Merge {short_name(entry)} into its base?",
                "The merged model is compared with base + adapter on pages; of two candidates the "
                "nearer is kept.",
                (
                    AskedValue("output", "New folder", self._new_path(entry, "merged")),
                    AskedValue("onto", "Onto", ONTO[0], ", ".join(ONTO)),
                    AskedValue("drift", "Max drift", "", "no limit; nats per token"),
                    AskedValue("data", "Pages", "", "rows that its run held out"),
                ),
                merge_problem,
            ),
            start,
        )

    def action_export(self) -> None:
        """Ask as what and where to, then export the highlighted adapter."""
        entry = self.highlighted
        if entry is None or self._refuse_second_work():
            return

        def ask_where(kind: str | None) -> None:
            if kind is None:
                return
            suffix = ".zip" if kind == "zip" else ""
            path = f"{self._new_path(entry, kind)}{suffix}"
            dialog = AskValues(
                f"Export {short_name(entry)} as {kind}?",
                "With pages to prove it on, the export is loaded again and must answer them as the "
                "adapter does.",
                (
                    AskedValue("output", "New file" if suffix else "New folder", path),
                    AskedValue("prove", "Prove on", "", "no proof; a dataset run, file or id"),
                ),
                output_problem,
            )
            self.app.push_screen(dialog, lambda values: start(kind, values))

        def start(kind: str, values: dict[str, str] | None) -> None:
            if values is not None:
                title = f"Export of {short_name(entry)} as {kind}"
                output = Path(values["output"])
                self._export(title, entry.name, kind, output, values["prove"] or None)

        self.app.push_screen(ChooseOne(f"Export {short_name(entry)}", EXPORTS), ask_where)

    def _new_path(self, entry: AdapterEntry, kind: str) -> str:
        return str(app_api(self.app).home / "exports" / f"{short_name(entry)}-{kind}")

    def _refuse_second_work(self) -> bool:
        if self._work is not None:
            key = key_of("adapters.stop")
            self.notify(f"Wait for its end, or stop it with {key}", title="One thing at a time")
        return self._work is not None

    # Work

    @work(thread=True, exit_on_error=False, group="work")
    def _exam(
        self, title: str, names: Sequence[str], data: str, split: str | None, limit: int | None
    ) -> None:
        def examine(adapter_work: AdapterWork, report: Callable[[str], None]) -> Result:
            return ExamResult(*adapter_work.exam(names, data, split, limit, report))

        if may_be_dataset(data):
            self._do(title, examine)
        else:
            problem = f"There is no dataset run, file or folder {data}"
            self.post_message(self.Ended(title, None, problem))

    @work(thread=True, exit_on_error=False, group="work")
    def _merge(
        self,
        title: str,
        name: str,
        output: Path,
        onto: Any,
        max_drift: float | None,
        data: str | None,
    ) -> None:
        self._do(title, lambda w, report: w.merge(name, output, onto, max_drift, data, report))

    @work(thread=True, exit_on_error=False, group="work")
    def _export(self, title: str, name: str, kind: str, output: Path, prove: str | None) -> None:
        self._do(title, lambda w, report: w.export(name, kind, output, prove, report))

    def _do(self, title: str, job: Callable[[AdapterWork, Callable[[str], None]], Result]) -> None:
        from deepsynth_tui.workflows.adapter_work import AdapterWork, Cancelled

        self._work = adapter_work = AdapterWork()
        self.post_message(self.Progressed(title, "starting …"))
        try:
            result = job(adapter_work, lambda text: self._report(title, text))
        except Cancelled:
            self.post_message(self.Ended(title, None))
        except UserError as error:
            self.post_message(self.Ended(title, None, str(error)))
        else:
            self.post_message(self.Ended(title, result))

    def _report(self, title: str, text: str) -> None:
        self.post_message(self.Progressed(title, text))

    @on(Progressed)
    def _show_progress(self, event: Progressed) -> None:
        stop = f"{key_of('adapters.stop')} stops"
        self._show_work(f"● {event.title}: {sanitize(event.text)}   {stop}")
        self.refresh_bindings()

    @on(Ended)
    def _show_end(self, event: Ended) -> None:
        self._work = None
        key = key_of("adapters.result")
        if event.problem:
            self._show_work(f"✗ {event.title}: {sanitize(event.problem)}")
        elif event.result is None:
            self._show_work(f"■ {event.title}: stopped. An exam goes on where it was.")
        else:
            self._result = event.title, event.result
            self._show_work(f"✓ {event.title} is done; {key} shows the result")
            self.forget_details()
            self.action_refresh_list()
            if self.is_current:
                self.action_show_result()
            else:
                self.notify(f"{event.title} is done: {key_of('app.adapters')} {key} shows it")
        self.refresh_bindings()

    def _show_work(self, text: str) -> None:
        self.add_class("-working")
        self.query_one("#work", Static).update(text)

    def action_stop(self) -> None:
        """Stop the work. An exam goes on later where it was; nothing is written by halves."""
        self.stop_work()

    def stop_work(self) -> None:
        """Kill the process that works, if any."""
        if self._work is not None:
            self._work.cancel()

    def action_show_result(self) -> None:
        """Show the result of the last work."""
        if self._result is None:
            return
        title, result = self._result
        if isinstance(result, ExamResult):
            self.app.push_screen(ExamScreen(self.look, result.folder, result.keys))
        else:
            self.app.push_screen(Tell(title, Text("\n".join(map(sanitize, result)))))

    # Deletion

    def action_delete(self) -> None:
        """Find out what deleting the marked adapters, or the highlighted one, frees; then ask."""
        if entries := self.targets():
            self._plan_deletion([entry.path for entry in entries])

    @work(thread=True, exclusive=True, exit_on_error=False, group="delete")
    def _plan_deletion(self, paths: Sequence[str]) -> None:
        plans, refused = [], []
        for path in paths:
            try:
                plans.append(self.look.plan_deletion(path))
            except ChildError as error:
                refused.append(str(error))
        self.post_message(self.DeletionPlanned(plans, refused))

    @on(DeletionPlanned)
    def _confirm_deletion(self, event: DeletionPlanned) -> None:
        for reason in event.refused:
            self.notify(reason, title="Not deleted", severity="error", markup=False)
        if not event.plans:
            return
        freed = format_bytes(sum(plan["bytes"] for plan in event.plans))
        paths = [plan["folder"] for plan in event.plans]
        rows = [(format_bytes(plan["bytes"]), sanitize(plan["folder"])) for plan in event.plans]
        kept = "\nCheckpoints, log and settings of its run stay." if _has_run(event.plans) else ""
        text = Group(label_grid(rows), Text(f"\nFrees {freed}.{kept}"))
        what = "this adapter" if len(paths) == 1 else f"{len(paths)} adapters"

        def delete(is_confirmed: bool | None) -> None:
            if is_confirmed:
                self._delete(paths)

        self.app.push_screen(Confirm(f"Delete {what}?", text, f"Delete, freeing {freed}"), delete)

    @work(thread=True, exclusive=True, exit_on_error=False, group="delete")
    def _delete(self, paths: Sequence[str]) -> None:
        freed = 0
        for path in paths:
            try:
                freed += self.look.delete(path)
            except ChildError as error:
                self.notify(str(error), title="Not deleted", severity="error", markup=False)
        if freed:
            self.notify(f"Freed {format_bytes(freed)}", title="Deleted")
        self.post_message(self.Deleted())

    @on(Deleted)
    def _list_the_rest(self) -> None:
        self.action_refresh_list()


def _names(entries: Sequence[AdapterEntry]) -> str:
    return short_name(entries[0]) if len(entries) == 1 else f"{len(entries)} adapters"


def _has_run(plans: Sequence[dict[str, Any]]) -> bool:
    return any(plan["run"] for plan in plans)
