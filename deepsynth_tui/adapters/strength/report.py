"""What each strength of an adapter gains on the task, and loses on general text and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.adapters.exam.bootstrap import Interval
from deepsynth_tui.adapters.exam.files import ExamFolder
from deepsynth_tui.adapters.exam.metrics import METRICS
from deepsynth_tui.adapters.exam.report import exam_report
from deepsynth_tui.adapters.strength.files import GeneralLoss, read_losses
from deepsynth_tui.errors import UserError

READ_SHARE = 0.8
"""Share of the tokens of a page that the base must predict right for it to count as read."""


@dataclass(frozen=True, slots=True)
class StrengthValue:
    """One strength. Losses are nats per token; None without rows of that kind.

    Attributes:
        score: The metric that decides, with its interval.
        gained: How much better than the base it is, also where lower is better.
        text_loss, page_loss: On general text, and on the general pages that the base reads.
        text_lost, page_lost: How much larger these are than those of the base.
    """

    strength: float
    score: Interval
    gained: float
    text_loss: float | None
    page_loss: float | None
    text_lost: float | None
    page_lost: float | None

    @property
    def lost(self) -> float:
        """The larger of both losses, 0 where nothing is lost."""
        return max(0.0, self.text_lost or 0.0, self.page_lost or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "strength": self.strength,
            "score": self.score.to_json(),
            "gained": self.gained,
            "text_loss": self.text_loss,
            "page_loss": self.page_loss,
            "text_lost": self.text_lost,
            "page_lost": self.page_lost,
        }


@dataclass(frozen=True, slots=True)
class StrengthReport:
    """The strengths in ascending order; the first is 0, the base.

    `pages_read` of the `pages` of the builtin set are read by the base: the others say nothing.
    """

    data: str
    split: str
    rows: int
    metric: str
    values: Sequence[StrengthValue]
    pages_read: int
    pages: int
    notes: Sequence[str]

    @property
    def best(self) -> StrengthValue:
        """The strength that gains most, of several the one that loses least."""
        return max(self.values, key=lambda value: (value.gained, -value.lost))

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "data": self.data,
            "split": self.split,
            "rows_examined": self.rows,
            "metric": self.metric,
            "values": [value.to_json() for value in self.values],
            "best": self.best.strength,
            "general_pages": self.pages,
            "general_pages_read": self.pages_read,
            "notes": list(self.notes),
        }


def strength_report(
    folder: ExamFolder,
    keys: Sequence[str],
    strengths: Sequence[float],
    of_set: str,
    *,
    metric: str | None,
    notes: Sequence[str] = (),
) -> StrengthReport:
    """Compute the report from the files of an exam. `keys` are those of the `strengths`.

    Raises:
        UserError: an answer or a loss is missing, or there is no such metric.
    """
    exam = exam_report(folder, keys, metric=metric)
    if len(exam.names) != len(keys):
        raise UserError(f"The answers in {folder.path} are not complete", "Start it again")
    main = METRICS[exam.main_metric]
    losses = [read_losses(folder, key, of_set) for key in keys]
    base_losses = losses[0]
    if base_losses is None or None in losses:
        raise UserError(f"The losses in {folder.path} are not complete", "Start it again")
    read = {
        row.name
        for row in base_losses
        if row.kind == "page" and row.right >= READ_SHARE * row.tokens
    }
    scores = [exam.scores[name][exam.main_metric] for name in exam.names]
    base_text, base_page = _means(base_losses, read)
    values = []
    for strength, score, rows in zip(strengths, scores, losses, strict=True):
        difference = score.value - scores[0].value
        text, page = _means(rows or (), read)
        values.append(
            StrengthValue(
                strength,
                score,
                gained=difference if main.higher_is_better else -difference,
                text_loss=text,
                page_loss=page,
                text_lost=_difference(text, base_text),
                page_lost=_difference(page, base_page),
            )
        )
    pages = sum(row.kind == "page" for row in base_losses)
    return StrengthReport(
        exam.exam.data,
        exam.exam.split,
        len(exam.exam.rows),
        exam.main_metric,
        values,
        len(read),
        pages,
        (*exam.exam.notes, *notes),
    )


def _means(losses: Sequence[GeneralLoss], read: set[str]) -> tuple[float | None, float | None]:
    texts = [row for row in losses if row.kind == "text"]
    pages = [row for row in losses if row.name in read]
    return _mean(texts), _mean(pages)


def _mean(losses: Sequence[GeneralLoss]) -> float | None:
    tokens = sum(row.tokens for row in losses)
    return sum(row.loss for row in losses) / tokens if tokens else None


def _difference(value: float | None, base: float | None) -> float | None:
    return None if value is None or base is None else value - base
