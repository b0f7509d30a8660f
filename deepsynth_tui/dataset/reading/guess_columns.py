"""Preview the columns of a source and guess which are text, question and answer."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.reading.column_paths import value_at
from deepsynth_tui.dataset.reading.named_columns import TEXT_NAMES, find_id_column
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow

# Rows read for a preview, and characters after which it stops early.
PREVIEW_ROWS = 100
PREVIEW_CHARACTERS = 1 << 20
EXAMPLE_CHARACTERS = 80
# Usual names of these columns in public datasets, most specific first.
QUESTION_NAMES = ("question", "query", "prompt", "instruction", "input")
ANSWER_NAMES = ("answer", "response", "output", "completion", "reply")
TARGET_NAMES = ("summary", "highlights", "target", "label", "translation", "caption")


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """A column in the first rows of a source.

    `filled` is the fraction of rows with a value; `mean_length` is the mean length of the values in
    characters. For types other than text and numbers only `kind` is set.
    """

    name: str
    kind: str
    filled: float | None = None
    mean_length: float | None = None
    example: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Suggested settings for a source, by key, and the reason."""

    settings: Mapping[str, str]
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return the proposal as a JSON object."""
        return asdict(self)


def first_rows(reader: SourceReader) -> list[SourceRow]:
    """Return the first rows, with the columns to preview. Raises the errors of `reader.rows`."""
    rows: list[SourceRow] = []
    characters = 0
    for row in islice(reader.rows(_previewed(reader)), PREVIEW_ROWS):
        rows.append(row)
        characters += sum(len(value) for value in row.values.values() if isinstance(value, str))
        if characters > PREVIEW_CHARACTERS:
            break
    return rows


def preview_columns(reader: SourceReader, rows: Sequence[SourceRow]) -> tuple[ColumnPreview, ...]:
    """Preview each column in `rows`, the first ones that can be read."""
    read_columns = _previewed(reader)
    rows = [row for row in rows if row.unreadable is None]
    return tuple(
        _preview(name, kind, rows) if name in read_columns else ColumnPreview(name, kind)
        for name, kind in reader.kinds.items()
    )


def guess_columns(columns: Sequence[ColumnPreview]) -> Proposal | None:
    """Return suggested settings for a source with these columns, None if none holds text."""
    text_columns = {
        column.name.casefold(): column
        for column in reversed(columns)
        if column.kind == TEXT and column.filled and column.name != find_id_column([column.name])
    }
    if not text_columns:
        return None
    question, answer = _first(QUESTION_NAMES, text_columns), _first(ANSWER_NAMES, text_columns)
    text, reason = _first(TEXT_NAMES, text_columns), "it has a usual name for text"
    if question and answer:
        return _question_proposal(question, answer, text)
    target = answer or _first(TARGET_NAMES, text_columns)
    if text is None:
        others = [column for column in text_columns.values() if column is not target]
        text = max(others or text_columns.values(), key=lambda column: column.mean_length or 0)
        reason = "it is the longest"
    settings = {"source.text_column": text.name}
    why = f"{text.name!r} is the text: {reason}"
    if target and target is not text:
        settings["source.target_column"] = target.name
        why += f"; {target.name!r} is the answer, by its name"
    return Proposal(settings, why)


def _question_proposal(
    question: ColumnPreview, answer: ColumnPreview, text: ColumnPreview | None
) -> Proposal:
    settings = {"source.text_column": question.name, "source.target_column": answer.name}
    why = f"{question.name!r} asks and {answer.name!r} answers"
    if text is None:
        return Proposal(settings, f"{why}; there is no text column, so the question is drawn")
    instruction = "{" + question.name + "}"
    settings |= {"source.text_column": text.name, "instruction": instruction}
    return Proposal(settings, f"{why} about {text.name!r}")


def _first(names: Sequence[str], columns: Mapping[str, ColumnPreview]) -> ColumnPreview | None:
    return next((columns[name] for name in names if name in columns), None)


def _preview(name: str, kind: str, rows: Sequence[SourceRow]) -> ColumnPreview:
    values = list(_non_blank(name, rows))
    lengths = [len(value) for value in values]
    return ColumnPreview(
        name,
        kind,
        filled=round(len(values) / len(rows), 3) if rows else None,
        mean_length=round(statistics.fmean(lengths), 1) if lengths else None,
        example=_one_line(values[0]) if values else "",
    )


def _non_blank(name: str, rows: Sequence[SourceRow]) -> Iterator[str]:
    for row in rows:
        value = value_at(row.values, name)
        text = value if isinstance(value, str) else as_text(value)
        if not is_blank(text):
            yield text


def _one_line(text: str) -> str:
    line = " ".join(text[: 4 * EXAMPLE_CHARACTERS].split())
    return line if len(line) <= EXAMPLE_CHARACTERS else f"{line[: EXAMPLE_CHARACTERS - 3]}..."


def _previewed(reader: SourceReader) -> list[str]:
    return [name for name, kind in reader.kinds.items() if _is_text_or_number(kind)]


def _is_text_or_number(kind: str) -> bool:
    """Return whether values of this kind are text or short: no images, nothing to decode."""
    return kind in (TEXT, "number", "true or false") or kind.startswith(
        ("int", "uint", "float", "double", "bool", "dictionary")
    )
