"""The strengths of an adapter as lines with bars."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.adapters.exam.metrics import METRICS
from deepsynth_tui.adapters.strength.report import StrengthReport, StrengthValue

BAR = 16
GAINED, LOST = "█", "▒"


def strength_lines(report: StrengthReport) -> Iterator[str]:
    """Yield a line per strength: score and gain on the task, losses elsewhere; then remarks."""
    yield f"{report.data} {report.split}: {report.rows} rows"
    yield from (f"note: {note}" for note in report.notes)
    yield ""
    label = METRICS[report.metric].label
    yield (
        f"{'strength':<10}{label + ' in %':<24}{'gained':<{BAR + 2}}"
        f"{'text':<9}{'pages':<9}lost, nats per token"
    )
    most_gained = max((value.gained for value in report.values), default=0.0)
    most_lost = max((value.lost for value in report.values), default=0.0)
    for value in report.values:
        score = value.score
        interval = f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
        yield (
            f"{value.strength:<10g}{interval:<24}"
            f"{_bar(value.gained, most_gained, GAINED):<{BAR + 2}}"
            f"{_loss(value.text_lost):<9}{_loss(value.page_lost):<9}"
            f"{_bar(value.lost, most_lost, LOST)}"
        ).rstrip()
    yield ""
    best: StrengthValue = report.best
    yield f"best on the task: {best.strength:g}"
    if report.pages:
        yield f"pages: the base reads {report.pages_read} of the {report.pages} of the builtin set"


def _bar(value: float, largest: float, character: str) -> str:
    if largest <= 0 or value <= 0:
        return ""
    return character * max(1, round(BAR * value / largest))


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
