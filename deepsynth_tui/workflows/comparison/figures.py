"""The figures that runs are compared by, each declared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deepsynth_tui.units import format_bytes, format_count, format_dollars, format_seconds

Number = int | float


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A figure: its label, its value as text, and which value is better, None if neither is."""

    label: str
    format: Callable[[Number], str]
    lower_is_better: bool | None = None


def _plain(value: Number) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _percent(value: Number) -> str:
    return f"{100 * value:.1f} %"


def _bytes(value: Number) -> str:
    return format_bytes(value, digits=2)


def _tokens(value: Number) -> str:
    return format_count(int(value))


FIGURES: Mapping[str, FigureKind] = {
    "steps": FigureKind("steps", _plain),
    "loss": FigureKind("loss, last", _plain, lower_is_better=True),
    "eval_loss": FigureKind("held-out loss, last", _plain, lower_is_better=True),
    "best_eval_loss": FigureKind("held-out loss, best", _plain, lower_is_better=True),
    "best_eval_step": FigureKind("  at step", _plain),
    "eval_exact_match": FigureKind("exact match", _percent, lower_is_better=False),
    "eval_cer": FigureKind("CER", _percent, lower_is_better=True),
    "eval_rouge_l": FigureKind("ROUGE-L", _percent, lower_is_better=False),
    "eval_cut_answers": FigureKind("answers cut", _plain, lower_is_better=True),
    "exam_exact_match": FigureKind("exam: exact match", _percent, lower_is_better=False),
    "exam_cer": FigureKind("exam: CER", _percent, lower_is_better=True),
    "exam_field_match": FigureKind("exam: field match", _percent, lower_is_better=False),
    "documents": FigureKind("documents", _plain),
    "pages": FigureKind("pages", _plain),
    "rows": FigureKind("rows", _plain),
    "skipped": FigureKind("skipped", _plain),
    "predicted_allocated_bytes": FigureKind("memory, predicted", _bytes),
    "measured_allocated_bytes": FigureKind("memory, measured", _bytes, lower_is_better=True),
    "predicted_device_bytes": FigureKind("GPU in total, predicted", _bytes),
    "measured_device_bytes": FigureKind("GPU in total, measured", _bytes, lower_is_better=True),
    "measured_host_bytes": FigureKind("main memory, measured", _bytes, lower_is_better=True),
    "predicted_seconds_per_step": FigureKind("step, predicted", format_seconds),
    "measured_seconds_per_step": FigureKind("step, measured", format_seconds, lower_is_better=True),
    "training_seconds": FigureKind("training time", format_seconds, lower_is_better=True),
    "run_seconds": FigureKind("time in all", format_seconds, lower_is_better=True),
    "tokens": FigureKind("tokens trained on", _tokens),
    "cost_usd": FigureKind("cost", format_dollars, lower_is_better=True),
}
"""By the names in CSV and JSON; in this order."""
