"""An x-ray as text for any terminal: styles only repeat what the words say."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from rich.text import Text

from deepsynth_tui.training.xray.report import Xray, XrayPage, XrayRow

STYLES = {"masked": "dim", "learned": "bold", "image": "", "soft": "", "padding": "dim"}

LabelledTexts = Iterator[tuple[str, str | Text]]


def xray_sections(xray: Xray) -> Iterator[tuple[str, LabelledTexts]]:
    """Yield a title and labelled texts for the batch, then for each of its rows."""
    yield "The first batch", _batch(xray)
    for row in xray.rows:
        yield escape_invisible(row.row_id), _row(row)


def escape_invisible(text: str) -> str:
    """Mark line ends, and escape characters that move the cursor, hide or reorder text.

    ESC, for example, becomes \\x1b.
    """
    return "".join(_escape(character) for character in text).removesuffix("\n")


def _escape(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return "↵\n" if character == "\n" else character.encode("unicode_escape").decode()


def _batch(xray: Xray) -> LabelledTexts:
    rows, width = xray.shapes["input_ids"]
    total = rows * width
    padding = xray.tokens("padding")
    yield "batch", f"{_count(rows, 'row')} of {width} tokens, {total:,} in total"
    yield "learned", f"{xray.tokens('learned'):,} tokens: the loss is computed on them"
    yield "masked", f"{xray.tokens('masked'):,} tokens of the questions"
    yield "image", f"{xray.tokens('image'):,} placeholders"
    if soft := xray.tokens("soft"):
        yield "soft", f"{soft:,} placeholders for the text encoder's soft tokens"
    yield "padding", f"{padding:,} tokens ({padding / total:.0%})"
    yield "features", escape_invisible(xray.counted_by)
    template, model = escape_invisible(xray.template_of), escape_invisible(xray.model)
    yield "template", f"{template} ({xray.processor} of {model})"
    shapes = (f"{name} {'×'.join(map(str, shape))}" for name, shape in xray.shapes.items())
    yield "tensors", ", ".join(shapes)
    for line in xray.dataset:
        yield "dataset", escape_invisible(line)
    for note in xray.notes:
        yield "!", Text(escape_invisible(note), "bold")


def _row(row: XrayRow) -> LabelledTexts:
    if row.pages:
        yield "pages", ", ".join(map(_page, row.pages))
    placeholders = row.tokens("image")
    if row.features is not None and (placeholders or row.features):
        equal = placeholders == row.features
        counts = f"{_count(placeholders, 'placeholder')}, {_count(row.features, 'feature')}"
        verdict = "equal" if equal else "NOT EQUAL"
        yield "image", Text(f"{counts}: {verdict}", "" if equal else "bold")
    if row.cut:
        yield "cut", Text(escape_invisible(row.cut), "bold")
    if row.instruction is not None:
        yield "encoder", escape_invisible(row.instruction)
    yield "template", escape_invisible(row.template)
    yield "learned", _count(sum(span.kind == "learned" for span in row.spans), "answer")
    yield "tokens", ""
    for span in row.spans:
        text = escape_invisible(span.text)
        if span.kind not in ("masked", "learned"):
            text = f"{text} × {span.tokens}"
        yield f" {span.kind} {span.tokens}", Text(text, STYLES[span.kind])


def _page(page: XrayPage) -> str:
    stored, given = ("×".join(map(str, size)) for size in (page.stored, page.given))
    return f"{stored} pixels" if stored == given else f"{stored} pixels, resized to {given}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}" + ("" if number == 1 else "s")
