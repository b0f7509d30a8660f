"""The result of an exam, computed from its files: scores, differences, and rows that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from deepsynth_tui.adapters.exam.bootstrap import Draws, Interval, draw
from deepsynth_tui.adapters.exam.files import (
    CandidateRecord,
    Exam,
    ExamAnswer,
    ExamFolder,
    ExamRow,
)
from deepsynth_tui.adapters.exam.metrics import (
    METRICS,
    Score,
    field_matches,
    is_json,
    row_scores,
)
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import without_date


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more `metric` is for `first` than for `second`, over the same rows."""

    metric: str
    first: str
    second: str
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "metric": self.metric,
            "first": self.first,
            "second": self.second,
            **self.interval.to_json(),
        }


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A row with the answer and the scores of each candidate, by name."""

    row: ExamRow
    answers: dict[str, ExamAnswer]
    scores: dict[str, dict[str, Score]]

    def spread(self, metric: str, names: Collection[str] | None = None) -> float:
        """Return the largest difference of a metric between two answers, by default any two; 0
        where it has none."""
        values = [
            scores[metric][0] / scores[metric][1]
            for name, scores in self.scores.items()
            if (names is None or name in names) and metric in scores and scores[metric][1]
        ]
        return max(values) - min(values) if values else 0.0


@dataclass(frozen=True, slots=True)
class ExamReport:
    """The scores of each candidate and how they differ.

    Attributes:
        names: The candidates, each under a name of its own.
        main_metric: Decides which is best and the order of the rows: `field_match` where every
            target is JSON, else `cer`, unless a person chooses.
        scores: By candidate and metric.
        fields: By candidate and field of JSON targets: rows with the right value, and all.
        rows: Those on which the adapters differ most first, then those on which one of them and
            the base do.
        cut: Answers that did not end within their limit, by candidate.
        not_json: Answers that are not JSON although their target is, by candidate.
    """

    exam: Exam
    names: Sequence[str]
    main_metric: str
    scores: dict[str, dict[str, Interval]]
    differences: Sequence[Difference]
    fields: dict[str, dict[str, tuple[int, int]]]
    rows: Sequence[ComparedRow]
    cut: dict[str, int]
    not_json: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the whole result as JSON values."""
        return {
            "data": self.exam.data,
            "split": self.exam.split,
            "fingerprint": self.exam.fingerprint,
            "notes": list(self.exam.notes),
            "rows_examined": len(self.exam.rows),
            "main_metric": self.main_metric,
            "scores": {
                name: {metric: interval.to_json() for metric, interval in scores.items()}
                for name, scores in self.scores.items()
            },
            "differences": [difference.to_json() for difference in self.differences],
            "fields": {
                name: {path: {"right": right, "rows": rows} for path, (right, rows) in f.items()}
                for name, f in self.fields.items()
            },
            "cut_answers": self.cut,
            "not_json": self.not_json,
            "rows": [_row_json(row) for row in self.rows],
        }


def _row_json(row: ComparedRow) -> dict[str, Any]:
    return {
        "row": row.row.name,
        "index": row.row.index,
        "target": row.row.target,
        "answers": {
            name: {
                "output": answer.output,
                "is_cut": answer.is_cut,
                "scores": {m: n / d if d else None for m, (n, d) in row.scores[name].items()},
            }
            for name, answer in row.answers.items()
        },
    }


def exam_report(
    folder: ExamFolder,
    keys: Sequence[str] | None = None,
    *,
    metric: str | None = None,
    short_names: bool = False,
) -> ExamReport:
    """Compute the result of the candidates with these keys, of all that have finished if None.

    With `short_names` runs are called by their names where these differ, else by their ids.

    Raises:
        UserError: the folder holds no exam, nobody has answered all its rows, or there is no such
            metric.
    """
    exam = folder.read_exam()
    records = {record.key: record for record in folder.candidates()}
    answers = {key: folder.answers(key) for key in keys or records}
    finished = [key for key in answers if all(row.index in answers[key] for row in exam.rows)]
    if not finished:
        raise UserError(
            f"Nobody has answered all rows of the exam in {folder.path}",
            "Start it again: it goes on",
        )
    names = _unique_names([records[key] for key in finished], short=short_names)
    named = dict(zip(names, (answers[key] for key in finished), strict=True))
    rows = [
        ComparedRow(
            row,
            {name: by_row[row.index] for name, by_row in named.items()},
            {
                name: row_scores(row.target, by_row[row.index].output)
                for name, by_row in named.items()
            },
        )
        for row in exam.rows
    ]
    main_metric = _main_metric(rows, names, metric)
    draws = {name: _draws(rows, names, name) for name in METRICS}
    adapters = [n for n, key in zip(names, finished, strict=True) if records[key].adapter]
    is_json_target = {row.row.index: "field_match" in row.scores[names[0]] for row in rows}
    return ExamReport(
        exam=exam,
        names=names,
        main_metric=main_metric,
        scores={
            name: {m: by_name[name].interval() for m, by_name in draws.items() if by_name}
            for name in names
        },
        differences=[
            Difference(m, first, second, by_name[first].difference(by_name[second]))
            for m, by_name in draws.items()
            if by_name
            for first, second in combinations(names, 2)
        ],
        fields={name: _fields(rows, name) for name in names if any(is_json_target.values())},
        rows=sorted(
            rows, key=lambda row: (-row.spread(main_metric, adapters), -row.spread(main_metric))
        ),
        cut={name: sum(row.answers[name].is_cut for row in rows) for name in names},
        not_json={
            name: sum(
                is_json_target[row.row.index] and not is_json(row.answers[name].output)
                for row in rows
            )
            for name in names
        },
    )


def _unique_names(records: Sequence[CandidateRecord], *, short: bool) -> list[str]:
    names = [without_date(record.name) for record in records]
    if short and len(set(names)) == len(names):
        return names
    uses = Counter(record.name for record in records)
    return [
        f"{record.name} ({record.key[:6]})" if uses[record.name] > 1 else record.name
        for record in records
    ]


def _main_metric(rows: Sequence[ComparedRow], names: Sequence[str], metric: str | None) -> str:
    with_fields = ["field_match" in row.scores[names[0]] for row in rows]
    if metric is None:
        return "field_match" if all(with_fields) else "cer"
    if metric not in METRICS:
        raise UserError(f"{metric} is no metric", f"Use one of {', '.join(METRICS)}")
    if metric == "field_match" and not any(with_fields):
        raise UserError("field_match needs JSON targets, and no row has one", "Use another metric")
    return metric


def _draws(rows: Sequence[ComparedRow], names: Sequence[str], metric: str) -> dict[str, Draws]:
    """Return the draws of each candidate; empty if no row has the metric."""
    scored = [row for row in rows if metric in row.scores[names[0]]]
    if not sum(row.scores[names[0]][metric][1] for row in scored):
        return {}
    scores = [[row.scores[name][metric] for row in scored] for name in names]
    groups = [row.row.group for row in scored]
    return dict(zip(names, draw(scores, groups), strict=True))


def _fields(rows: Sequence[ComparedRow], name: str) -> dict[str, tuple[int, int]]:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for row in rows:
        for path, matches in (
            field_matches(row.row.target, row.answers[name].output) or {}
        ).items():
            total[path] += 1
            right[path] += matches
    return {path: (right[path], total[path]) for path in total}
