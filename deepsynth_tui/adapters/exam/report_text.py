"""The result of an exam as text."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.adapters.exam.bootstrap import Interval
from deepsynth_tui.adapters.exam.metrics import METRICS
from deepsynth_tui.adapters.exam.report import ComparedRow, Difference, ExamReport

MAX_SHOWN_CHARACTERS = 400
MAX_SHOWN_FIELDS = 20


def report_lines(report: ExamReport, *, show: int) -> Iterator[str]:
    """Yield the scores, the differences and up to `show` rows that differ most."""
    exam = report.exam
    documents = len({row.group for row in exam.rows})
    yield f"{exam.data} {exam.split}: {len(exam.rows)} rows of {documents} documents"
    yield from (f"note: {note}" for note in exam.notes)
    for name in report.names:
        if report.cut[name]:
            yield f"note: {name}: {report.cut[name]} answers did not end within their limit"
        if report.not_json[name]:
            yield f"note: {name}: {report.not_json[name]} answers are not JSON, their targets are"
    yield ""
    yield from _table(report)
    if report.fields:
        yield ""
        yield from _field_table(report)
    yield ""
    for difference in report.differences:
        if difference.metric == report.main_metric:
            yield difference_sentence(difference)
    differing = [row for row in report.rows if row.spread(report.main_metric)]
    for row in differing[:show]:
        yield ""
        yield from _row(row)
    if len(differing) > show:
        yield ""
        yield f"{len(differing) - show} more rows differ: --show N, or --json for all"


def _table(report: ExamReport) -> Iterator[str]:
    metrics = {name: METRICS[name] for name in report.scores[report.names[0]]}
    cells = {name: {m: _cell(report.scores[name][m]) for m in metrics} for name in report.names}
    label_width = max(len(metric.label) for metric in metrics.values())
    widths = {n: max(len(n), *(map(len, row.values()))) for n, row in cells.items()}
    header = "  ".join(f"{name:>{widths[name]}}" for name in report.names)
    yield f"{'in %, with 95 % interval':<{label_width}}".rstrip()
    yield f"{'':<{label_width}}  {header}"
    for name, metric in metrics.items():
        row = "  ".join(f"{cells[n][name]:>{widths[n]}}" for n in report.names)
        yield f"{metric.label:<{label_width}}  {row}"


def _cell(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _field_table(report: ExamReport) -> Iterator[str]:
    paths = list(dict.fromkeys(path for fields in report.fields.values() for path in fields))
    width = max(map(len, paths[:MAX_SHOWN_FIELDS]))
    for path in paths[:MAX_SHOWN_FIELDS]:
        parts = []
        for name in report.names:
            right, rows = report.fields[name][path]
            parts.append(f"{name} {right} of {rows}")
        yield f"{path:<{width}}  {', '.join(parts)}"
    if len(paths) > MAX_SHOWN_FIELDS:
        yield f"{len(paths) - MAX_SHOWN_FIELDS} more fields: --json"


def difference_sentence(difference: Difference) -> str:
    """Return who is better and by how much, if the interval tells."""
    metric, interval = METRICS[difference.metric], difference.interval
    first_is_better = (interval.value > 0) == metric.higher_is_better
    if not interval.excludes_zero:
        return (
            f"{metric.label}: no difference is certain between {difference.first} and "
            f"{difference.second} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f} points)"
        )
    better, worse = difference.first, difference.second
    if not first_is_better:
        better, worse = worse, better
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return (
        f"{metric.label}: {better} beats {worse} by {100 * abs(interval.value):.1f} points, "
        f"{100 * low:.1f} to {100 * high:.1f}"
    )


def _row(row: ComparedRow) -> Iterator[str]:
    yield row.row.name
    width = max(len("target"), *map(len, row.answers))
    yield f"  {'target':<{width}}  {_one_line(row.row.target)}"
    for name, answer in row.answers.items():
        yield f"  {name:<{width}}  {_one_line(answer.output)}{' (cut)' if answer.is_cut else ''}"


def _one_line(text: str) -> str:
    line = text.strip().replace("\n", "⏎")
    return line if len(line) <= MAX_SHOWN_CHARACTERS else f"{line[:MAX_SHOWN_CHARACTERS]}…"
