"""A comparison as one HTML page to send: tables, and curves as inline SVG.

It has no script and loads nothing, which its own content policy enforces. The views of a chart are
all in it; the style sheet shows those that its radio buttons choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import product

from deepsynth_tui.chart_scale import Point
from deepsynth_tui.runs.curves import CurvePoint
from deepsynth_tui.workflows.comparison.cells import figure_rows, setting_rows, shown_text
from deepsynth_tui.workflows.comparison.chart import Line, chart_svg, style_of
from deepsynth_tui.workflows.comparison.compare import Comparison

AXES = {"step": "step", "tokens": "tokens", "time": "hours of training"}
SCALES = {"linear": "linear", "log": "logarithmic"}
SMOOTHINGS = {"0": 0.0, "60": 0.6, "90": 0.9}
CHOICES = {
    "axis": ("Over", {"step": "steps", "tokens": "tokens", "time": "time"}),
    "scale": ("Scale", SCALES),
    "smoothing": ("Smoothing", {key: f"{value:g}" for key, value in SMOOTHINGS.items()}),
}
"""Title and options of each group of radio buttons; the first option is chosen at first."""
CURVE_TITLES = {
    "loss": "Training loss",
    "eval_loss": "Held-out loss",
    "eval_exact_match": "Exact match",
    "eval_cer": "Character errors (CER)",
    "eval_rouge_l": "ROUGE-L",
    "learning_rate": "Learning rate",
    "grad_norm": "Gradient norm",
    "tokens_per_second": "Tokens per second",
}
"""The curves in the page, in this order. Others are in `--json`."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def comparison_page(comparison: Comparison) -> str:
    """Return the page. Every text of a run is escaped."""
    css = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return "".join(
        (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(_title(comparison))}</title>",
            f"<style>{css}{_view_rules()}</style></head>\n<body>",
            f"<h1>{escape(_title(comparison))}</h1>\n",
            *_tables(comparison),
            *_charts(comparison),
            *_notes(comparison),
            "</body></html>\n",
        )
    )


def _title(comparison: Comparison) -> str:
    return "Runs compared: " + ", ".join(map(shown_text, comparison.labels()))


def _tables(comparison: Comparison) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr><th></th>'
    for index, (run, label) in enumerate(zip(comparison.runs, comparison.labels(), strict=True)):
        key = f'<line x1="0" x2="26" y1="5" y2="5" stroke-width="3" {style_of(index)}/>'
        yield (
            f'<th><svg class="key" viewBox="0 0 26 10">{key}</svg> {escape(shown_text(label))}'
            f'<span class="id">{escape(shown_text(run.run.id))}, {escape(run.state)}</span></th>'
        )
    yield "</tr></thead>\n<tbody>"
    for label, texts, best in figure_rows(comparison):
        yield _row(label, texts, best)
    yield "</tbody></table></div>\n"
    equal = f"{comparison.equal} are equal"
    yield f"<h2>Settings that differ <small>({equal})</small></h2>\n"
    yield '<div class="scroll"><table><tbody>'
    for name, texts in setting_rows(comparison):
        yield _row(name, texts, frozenset())
    yield "</tbody></table></div>\n"


def _row(label: str, texts: Sequence[str], best: frozenset[int]) -> str:
    kinds = ("best" if index in best else "value" for index in range(len(texts)))
    cells = "".join(
        f'<td class="{kind}">{escape(text)}</td>' for kind, text in zip(kinds, texts, strict=True)
    )
    return f"<tr><th>{escape(label)}</th>{cells}</tr>\n"


def _charts(comparison: Comparison) -> Iterator[str]:
    names = [name for name in CURVE_TITLES if name in comparison.curve_names()]
    if not names:
        return
    yield "<h2>Curves</h2>\n"
    for group, (_, options) in CHOICES.items():
        for number, option in enumerate(options):
            checked = " checked" if number == 0 else ""
            named = f'name="{group}" id="{group}-{option}"'
            yield f'<input type="radio" class="choice" {named}{checked}>'
    yield '<div class="controls">'
    for group, (title, options) in CHOICES.items():
        labels = "".join(
            f'<label for="{group}-{option}">{escape(text)}</label>'
            for option, text in options.items()
        )
        yield f"<fieldset>{title}: {labels}</fieldset>"
    yield '</div>\n<div class="charts">'
    for name in names:
        yield f"<figure><figcaption>{CURVE_TITLES[name]}</figcaption>"
        for axis, scale, smoothing in product(AXES, SCALES, SMOOTHINGS):
            svg = chart_svg(
                _lines(comparison, name, axis),
                title=f"{CURVE_TITLES[name]} over {AXES[axis]}",
                x_label=AXES[axis],
                smoothing=SMOOTHINGS[smoothing],
                is_log=scale == "log",
            )
            shown = svg or f'<p class="none">{_why_empty(axis)}</p>'
            yield f'<div class="view {axis} {scale} smooth-{smoothing}">{shown}</div>\n'
        yield "</figure>\n"
    yield "</div>\n"


def _lines(comparison: Comparison, name: str, axis: str) -> list[Line]:
    return [
        Line(index, _points(run.curves.points.get(name, ()), axis))
        for index, run in enumerate(comparison.runs)
    ]


def _points(points: Sequence[CurvePoint], axis: str) -> list[Point]:
    if axis == "tokens":
        return [(point.tokens, point.value) for point in points if point.tokens is not None]
    if axis == "time":
        return [(point.seconds / 3600, point.value) for point in points]
    return [(point.step, point.value) for point in points]


def _why_empty(axis: str) -> str:
    return "No run recorded its tokens" if axis == "tokens" else "No value is above zero"


def _view_rules() -> str:
    """Return the rules that hide the views of options which are not chosen."""
    rules = []
    for group, (_, options) in CHOICES.items():
        for option in options:
            view = f"smooth-{option}" if group == "smoothing" else option
            chosen = f"#{group}-{option}:checked~"
            rules.append(f"{chosen}.charts .view:not(.{view}){{display:none}}")
            rules.append(
                f'{chosen}.controls label[for="{group}-{option}"]'
                "{font-weight:600;text-decoration:underline}"
            )
    return "".join(rules)


def _notes(comparison: Comparison) -> Iterator[str]:
    if comparison.notes:
        yield "<h2>Notes</h2>\n<ul>"
        yield from (f"<li>{escape(shown_text(note))}</li>\n" for note in comparison.notes)
        yield "</ul>\n"
