"""The trials of a search as rows, and what they add up to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.json_file import BadContent, read_object
from deepsynth_tui.units import format_bytes, format_duration

State = Literal["running", "done", "pruned", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial. `score` is the last value of the metric, of the saved weights if it is done.

    `run_state` is that of the run. `continues` is the number of the trial that it goes on with; its
    steps, seconds and cost do not include those of that one. `needed_bytes` are estimated,
    `peak_bytes` measured on the GPU. `cost` is in dollars, None if no price is known. `reason` says
    why it was pruned or failed.
    """

    number: int
    state: State
    score: float | None
    values: Mapping[str, Any]
    run: str
    run_state: str
    continues: int | None
    steps: int
    seconds: float
    needed_bytes: int | None
    peak_bytes: int | None
    cost: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class SearchResults:
    """What `results.json` holds. `importance` is a sentence if it cannot be computed."""

    name: str
    path: str
    metric: str
    direction: str
    trials: tuple[TrialRow, ...]
    best: int | None
    importance: Mapping[str, float] | str
    steps: int
    ended: str

    def to_json(self) -> dict[str, Any]:
        """Return all fields by name, as JSON types, with the best configuration."""
        best = self.best_row
        return {
            **asdict(self),
            "best_values": dict(best.values) if best else None,
            "best_score": best.score if best else None,
            "best_config": str(Path(self.path) / "best.yaml") if best else None,
        }

    @property
    def best_row(self) -> TrialRow | None:
        """The best trial that is done."""
        return next((row for row in self.trials if row.number == self.best), None)


def write_results(file: Path, results: SearchResults) -> None:
    """Replace `results.json`. Raises OSError."""
    atomic.replace(file, json.dumps(results.to_json(), ensure_ascii=False).encode() + b"\n")


def read_results(file: Path) -> dict[str, Any] | None:
    """Return what `results.json` holds, None if it cannot be read: for the interface, which does
    not import Optuna."""
    try:
        return read_object(file)
    except (OSError, BadContent):
        return None


def results_of(content: Mapping[str, Any]) -> SearchResults | None:
    """Return the content of `results.json` as written; None if a field is missing or unknown."""
    try:
        known = {field.name: content[field.name] for field in fields(SearchResults)}
        rows = tuple(TrialRow(**row) for row in content["trials"])
        return SearchResults(**{**known, "trials": rows})
    except (KeyError, TypeError):
        return None


def values_text(values: Mapping[str, Any]) -> str:
    """Return the values of a trial as text, numbers with four digits."""
    return ", ".join(f"{key.rpartition('.')[2]} {value_text(v)}" for key, v in values.items())


def table_lines(results: SearchResults) -> list[str]:
    """Return the trials as a table, the best first, and what they say."""
    keys = list(dict.fromkeys(key for row in results.trials for key in row.values))
    heads = ["trial", results.metric, *(key.rpartition(".")[2] for key in keys)]
    table = [[*heads, "state", "steps", "time", "memory", "cost", "run"]]
    rows = ranked(results)
    for row in rows:
        table.append(
            [
                f"{row.number}{' *' if row.number == results.best else ''}",
                "" if row.score is None else f"{row.score:.4g}",
                *(value_text(row.values.get(key)) for key in keys),
                row.state,
                str(row.steps),
                format_duration(row.seconds),
                memory_text(row),
                "" if row.cost is None else f"${row.cost:.2f}",
                row.run,
            ]
        )
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    lines += [
        f"trial {row.number}: goes on with trial {row.continues}"
        for row in results.trials
        if row.continues is not None
    ]
    lines += [f"trial {row.number}: {row.reason}" for row in results.trials if row.reason]
    if isinstance(results.importance, str):
        lines.append(f"Importance of the parameters: {results.importance}.")
    else:
        shares = (f"{key} {share:.0%}" for key, share in results.importance.items())
        lines.append(f"Importance of the parameters: {', '.join(shares)}.")
    if best := results.best_row:
        lines.append(f"Best: {values_text(best.values)}, {results.metric} {best.score:.4g}.")
        lines.append(f"Its configuration: {Path(results.path) / 'best.yaml'}")
    return lines


def ranked(results: SearchResults) -> Sequence[TrialRow]:
    """Return the trials that are done, the best first, then those with the most steps."""
    sign = 1 if results.direction == "minimize" else -1

    def rank(row: TrialRow) -> tuple[bool, int, float]:
        steps = 0 if row.state == "done" else -row.steps
        return row.state != "done", steps, float("inf") if row.score is None else sign * row.score

    return sorted(results.trials, key=rank)


def value_text(value: Any) -> str:
    """Return a value of a parameter, a number with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else as_text(value)


def memory_text(row: TrialRow) -> str:
    """Return the memory that a trial took, or "~" and what is estimated."""
    if row.peak_bytes is not None:
        return format_bytes(row.peak_bytes)
    return "" if row.needed_bytes is None else f"~{format_bytes(row.needed_bytes)}"
