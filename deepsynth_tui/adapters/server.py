"""Child process that loads models and works with adapters; see `deepsynth_tui.child_process`.

The question names a task and its arguments; the client of each task makes it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.child_process import exit_with_parent, report_progress, serve

if TYPE_CHECKING:
    from deepsynth_tui.adapters.exam.rows import ExamData


def _exam(question: Mapping[str, Any]) -> dict[str, Any]:
    from deepsynth_tui.adapters.exam.rows import ExamData
    from deepsynth_tui.adapters.exam.run import run_exam
    from deepsynth_tui.adapters.find import find_adapter
    from deepsynth_tui.conversations.columns import Columns

    data = question["data"]
    folder, keys = run_exam(
        [find_adapter(name) for name in question["adapters"]],
        ExamData(data["path"], data["split"], Columns(**data["columns"]), data["limit"]),
        Path(question["folder"]) if question["folder"] else None,
        with_base=question["with_base"],
        batch_size=question["batch_size"],
        on_progress=report_progress,
    )
    return {"folder": str(folder.path), "keys": keys}


def _merge(question: Mapping[str, Any]) -> dict[str, Any]:
    from deepsynth_tui.adapters.find import find_adapter
    from deepsynth_tui.adapters.merge.court import merge_measured

    return merge_measured(
        find_adapter(question["adapter"]),
        Path(question["output"]),
        onto=question["onto"],
        max_drift=question["max_drift"],
        data=_pages(question["data"], question["split"]),
        limit=question["limit"],
        on_progress=report_progress,
    ).to_json()


def _export(question: Mapping[str, Any]) -> dict[str, Any]:
    from deepsynth_tui.adapters.export.run import ExportOptions, export, prove_server
    from deepsynth_tui.adapters.find import find_adapter

    adapter = find_adapter(question["adapter"])
    pages = _pages(question["prove"], question["split"])
    server, converter = question["server"], question["converter"]
    written: dict[str, Any] = {}
    if question["output"]:
        written = export(
            adapter,
            question["to"],
            Path(question["output"]),
            proof_data=None if server else pages,
            limit=question["limit"],
            on_progress=report_progress,
            options=ExportOptions(question["towers"], Path(converter) if converter else None),
        )
    if server:
        assert pages is not None  # the command asks for both
        written["proof"] = prove_server(
            adapter,
            server,
            pages,
            served_model=question["served_model"],
            limit=question["limit"],
            on_progress=report_progress,
        )
    return written


def _try(question: Mapping[str, Any]) -> list[dict[str, Any]]:
    from deepsynth_tui.adapters.find import find_adapter
    from deepsynth_tui.adapters.try_page import try_page

    return try_page(
        [find_adapter(name) for name in question["adapters"]],
        Path(question["image"]),
        instruction=question["instruction"],
        new_tokens=question["new_tokens"],
    )


def _combine(question: Mapping[str, Any]) -> dict[str, Any]:
    from deepsynth_tui.adapters.combine import combine
    from deepsynth_tui.adapters.find import find_adapter

    return combine(
        [find_adapter(name) for name in question["adapters"]],
        question["weights"],
        question["method"],
        Path(question["output"]),
        rank=question["rank"],
        density=question["density"],
    )


def _strength(question: Mapping[str, Any]) -> dict[str, Any]:
    from deepsynth_tui.adapters.exam.rows import ExamData
    from deepsynth_tui.adapters.exam.run import run_exam
    from deepsynth_tui.adapters.find import find_adapter
    from deepsynth_tui.adapters.strength.general import GeneralLosses, set_fingerprint
    from deepsynth_tui.adapters.strength.scale import check_scalable, scale_notes
    from deepsynth_tui.conversations.columns import Columns

    adapter = find_adapter(question["adapter"])
    check_scalable(adapter)
    data = question["data"]
    folder, keys = run_exam(
        [adapter],
        ExamData(data["path"], data["split"], Columns(**data["columns"]), data["limit"]),
        Path(question["folder"]) if question["folder"] else None,
        with_base=True,
        batch_size=question["batch_size"],
        on_progress=report_progress,
        strengths=question["strengths"][1:],  # the first is 0: the base
        measure=GeneralLosses(report_progress),
    )
    return {
        "folder": str(folder.path),
        "keys": keys,
        "set": set_fingerprint(),
        "notes": scale_notes(adapter),
    }


def _pages(path: str | None, split: str | None) -> ExamData | None:
    from deepsynth_tui.adapters.exam.rows import ExamData
    from deepsynth_tui.conversations.columns import Columns

    return ExamData(path, split, Columns(), None) if path else None


TASKS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "exam": _exam,
    "merge": _merge,
    "export": _export,
    "try": _try,
    "combine": _combine,
    "strength": _strength,
}


def answer(question: Mapping[str, Any]) -> Any:
    """Return what the task that `question` names makes of it."""
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    return TASKS[question["task"]](question)


def main() -> int:
    """Answer the question on stdin and return the exit status."""
    from deepsynth_tui.training.failures import explain_as_user_error

    exit_with_parent()
    return serve(answer, explain=explain_as_user_error)


if __name__ == "__main__":
    sys.exit(main())
