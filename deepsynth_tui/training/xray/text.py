"""An x-ray in words, for any terminal: kinds of tokens are named, style only repeats it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from rich.text import Text

from deepsynth_tui.training.xray.report import Page, Row, Xray

STYLES = {"masked": "dim", "learned": "bold", "image": "", "soft": "", "padding": "dim"}


Labelled = Iterator[tuple[str, str | Text]]


def xray_sections(xray: Xray) -> Iterator[tuple[str, Labelled]]:
    """A title and labelled texts for the batch, then for each of its rows."""
    yield "The first batch", _batch(xray)
    for row in xray.rows:
        yield visible(row.row_id), _row(row)


def visible(text: str) -> str:
    """`text` with every character seen: line ends are marked, and what moves the cursor, hides or
    reorders is written out, such as \\x1b."""
    return "".join(_visible(character) for character in text).removesuffix("\n")


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return "↵\n" if character == "\n" else character.encode("unicode_escape").decode()


def _batch(xray: Xray) -> Labelled:
    rows, width = xray.shapes["input_ids"]
    total = rows * width
    padding = xray.tokens("padding")
    yield "batch", f"{_count(rows, 'row')} of {width} tokens, {total:,} in all"
    yield "learned", f"{xray.tokens('learned'):,} tokens: the loss is computed on them"
    yield "masked", f"{xray.tokens('masked'):,} tokens of the questions"
    yield "image", f"{xray.tokens('image'):,} placeholders"
    if soft := xray.tokens("soft"):
        yield "soft", f"{soft:,} places for what the text encoder makes of the instructions"
    yield "padding", f"{padding:,} tokens ({padding / total:.0%})"
    yield "features", visible(xray.counted_by)
    yield "template", f"{visible(xray.template_of)} ({xray.processor} of {visible(xray.model)})"
    shapes = (f"{name} {'×'.join(map(str, shape))}" for name, shape in xray.shapes.items())
    yield "tensors", ", ".join(shapes)
    for note in xray.notes:
        yield "!", Text(visible(note), "bold")


def _row(row: Row) -> Labelled:
    if row.pages:
        yield "pages", ", ".join(map(_page, row.pages))
    placeholders = row.tokens("image")
    if row.features is not None and (placeholders or row.features):
        equal = placeholders == row.features
        said = f"{placeholders} placeholders, {_count(row.features, 'feature')}"
        yield "image", Text(f"{said}: {'equal' if equal else 'NOT EQUAL'}", "" if equal else "bold")
    if row.cut:
        yield "cut", Text(visible(row.cut), "bold")
    if row.instruction is not None:
        yield "encoder", visible(row.instruction)
    yield "template", visible(row.template)
    yield "tokens", ""
    for span in row.spans:
        is_text = span.kind in ("masked", "learned")
        shown = visible(span.text) if is_text else f"{visible(span.text)} × {span.tokens}"
        yield f" {span.kind} {span.tokens}", Text(shown, STYLES[span.kind])


def _page(page: Page) -> str:
    stored, given = ("×".join(map(str, size)) for size in (page.stored, page.given))
    return f"{stored} pixels" if stored == given else f"{stored} pixels, made {given}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}" + ("" if number == 1 else "s")
