"""Child process that reads adapters and exams for the interface; see `deepsynth_tui.child_session`.

It loads no model. The client is `workflows.adapter_look`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters import delete as deletion
from deepsynth_tui.adapters.description import remarks
from deepsynth_tui.adapters.description_text import facts, layer_norms, list_entry
from deepsynth_tui.adapters.find import find_adapter, list_adapters
from deepsynth_tui.child_session import Answering, serve_session
from deepsynth_tui.errors import UserError


def _list(question: Mapping[str, Any], answering: Answering) -> int:
    """Send each adapter as it is read; return their number. A place without any is an entry."""
    home, count = Path(question["home"]), 0
    for places in [[], *([place] for place in question["places"])]:
        try:
            for listed in list_adapters(home, places):
                answering.part(list_entry(listed))
                count += 1
        except UserError as error:
            answering.part({"name": places[0], "path": places[0], "problem": str(error)})
            count += 1
    return count


def _show(question: Mapping[str, Any], _: Answering) -> dict[str, Any]:
    from deepsynth_tui.adapters.exam.of_adapter import exam_line, exams_of

    adapter = find_adapter(question["adapter"])
    updates = adapter.updates()
    return {
        "facts": facts(adapter, updates),
        "layers": [asdict(layer) for layer in layer_norms(updates)],
        "remarks": list(remarks(adapter, updates)),
        "exams": [exam_line(taken) for taken in exams_of(adapter, Path(question["home"]))],
        "data": adapter.lineage.get("dataset", {}).get("path", ""),
    }


def _exams(question: Mapping[str, Any], _: Answering) -> list[list[dict[str, Any]]]:
    """Return the exams that each adapter took; none of one that cannot be read."""
    from deepsynth_tui.adapters.exam.of_adapter import exams_of

    taken = []
    for folder in question["adapters"]:
        try:
            taken.append(list(exams_of(find_adapter(folder), Path(question["home"]))))
        except UserError:
            taken.append([])
    return taken


def _report(question: Mapping[str, Any], _: Answering) -> dict[str, Any]:
    from deepsynth_tui.adapters.exam.files import ExamFolder
    from deepsynth_tui.adapters.exam.metrics import METRICS
    from deepsynth_tui.adapters.exam.report import exam_report
    from deepsynth_tui.adapters.exam.report_text import difference_sentence

    folder = ExamFolder(Path(question["folder"]))
    report = exam_report(folder, question["keys"], metric=question["metric"], short_names=True)
    return {
        "folder": question["folder"],
        **report.to_json(),
        "names": list(report.names),
        "labels": {name: metric.label for name, metric in METRICS.items()},
        "sentences": [
            difference_sentence(difference)
            for difference in report.differences
            if difference.metric == report.main_metric
        ],
        "differing": sum(row.spread(report.main_metric) > 0 for row in report.rows),
    }


def _page(question: Mapping[str, Any], _: Answering) -> dict[str, Any]:
    from deepsynth_tui.adapters.exam.files import ExamFolder
    from deepsynth_tui.conversations.columns import Columns
    from deepsynth_tui.conversations.conversation import message_text
    from deepsynth_tui.conversations.dataset import open_dataset
    from deepsynth_tui.conversations.page_image import open_page
    from deepsynth_tui.page_thumbnail import braille_lines
    from deepsynth_tui.training.data.open_datasets import resolve

    exam = ExamFolder(Path(question["folder"])).read_exam()
    dataset = open_dataset(resolve(exam.data), split=exam.split, columns=Columns(**exam.columns))
    row = dataset.conversation(question["row"])
    pages = [open_page(image).image for image in row.images]
    questions = [message_text(turn) for turn in row.messages[:-1] if turn["role"] != "assistant"]
    return {
        "pages": [braille_lines(page, question["columns"]) for page in pages],
        "question": "\n".join(filter(None, questions)),
    }


def _plan_deletion(question: Mapping[str, Any], _: Answering) -> dict[str, Any]:
    plan = deletion.plan_deletion(question["adapter"])
    return {"folder": str(plan.folder), "bytes": plan.bytes, "run": plan.run and plan.run.id}


def _delete(question: Mapping[str, Any], _: Answering) -> int:
    """Delete an adapter and return the bytes that are free now."""
    plan = deletion.plan_deletion(question["adapter"])
    deletion.delete(plan)
    return plan.bytes


TASKS: Mapping[str, Callable[[Mapping[str, Any], Answering], Any]] = {
    "list": _list,
    "show": _show,
    "exams": _exams,
    "report": _report,
    "page": _page,
    "plan_deletion": _plan_deletion,
    "delete": _delete,
}


def main() -> int:
    """Answer the questions on stdin and return the exit status."""
    from deepsynth_tui.training.failures import explain_as_user_error

    return serve_session(
        lambda question, answering: TASKS[question["task"]](question, answering),
        explain=explain_as_user_error,
    )


if __name__ == "__main__":
    sys.exit(main())
