"""What the columns of a source hold, and which of them could be what."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.reading.named_columns import TEXT_NAMES, find_id_column
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow

LOOKED_AT = 100
"""Rows that are read before anything is said of the columns."""
LOOKED_AT_CHARACTERS = 1 << 20
"""They are fewer where they are long: a book takes long to read."""
EXAMPLE_CHARACTERS = 80
# Names that these columns have in the data sets people use, the plainest first.
QUESTION_NAMES = ("question", "query", "prompt", "instruction", "input")
ANSWER_NAMES = ("answer", "response", "output", "completion", "reply")
TARGET_NAMES = ("summary", "highlights", "target", "label", "translation", "caption")


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """A column in the first rows. `filled` is the part of them with a value, from 0 to 1;
    `mean_length` is in characters, of the values there are. Of a column that holds neither text
    nor numbers only the kind is known."""

    name: str
    kind: str
    filled: float | None = None
    mean_length: float | None = None
    example: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings that would fit a source, by key, and why."""

    settings: Mapping[str, str]
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return asdict(self)


def preview_columns(reader: SourceReader) -> tuple[ColumnPreview, ...]:
    """Return what the first rows say of each column. Raises what reading raises."""
    sayable = [name for name, kind in reader.kinds.items() if _is_sayable(kind)]
    records: list[SourceRow] = []
    characters = 0
    for record in islice(reader.records(sayable), LOOKED_AT):
        records.append(record)
        characters += sum(len(one) for one in record.values.values() if isinstance(one, str))
        if characters > LOOKED_AT_CHARACTERS:
            break
    return tuple(
        _column(name, kind, records) if name in sayable else ColumnPreview(name, kind)
        for name, kind in reader.kinds.items()
    )


def guess_columns(columns: Sequence[ColumnPreview]) -> Proposal | None:
    """Return settings for a source with these columns; None where no column holds text."""
    texts = {
        column.name.casefold(): column
        for column in reversed(columns)
        if column.kind == TEXT and column.filled and column.name != find_id_column([column.name])
    }
    if not texts:
        return None
    question, answer = _first(QUESTION_NAMES, texts), _first(ANSWER_NAMES, texts)
    text, known = _first(TEXT_NAMES, texts), "its name usually means text"
    if question and answer:
        return _of_questions(question, answer, text)
    target = answer or _first(TARGET_NAMES, texts)
    if text is None:
        others = [column for column in texts.values() if column is not target]
        text = max(others or texts.values(), key=lambda column: column.mean_length or 0)
        known = "it is the longest"
    settings = {"source.text_column": text.name}
    why = f"{text.name!r} is the text: {known}"
    if target and target is not text:
        settings["source.target_column"] = target.name
        why += f"; {target.name!r} is the answer, as its name says"
    return Proposal(settings, why)


def _of_questions(
    question: ColumnPreview, answer: ColumnPreview, text: ColumnPreview | None
) -> Proposal:
    settings = {"source.text_column": question.name, "source.target_column": answer.name}
    why = f"{question.name!r} asks and {answer.name!r} answers"
    if text is None:
        return Proposal(settings, f"{why}; there is no text besides, so the question is drawn")
    asked = "{" + question.name + "}"
    settings |= {"source.text_column": text.name, "instruction": asked}
    return Proposal(settings, f"{why} about {text.name!r}")


def _first(names: Sequence[str], columns: Mapping[str, ColumnPreview]) -> ColumnPreview | None:
    return next((columns[name] for name in names if name in columns), None)


def _column(name: str, kind: str, records: Sequence[SourceRow]) -> ColumnPreview:
    values = list(_filled(name, records))
    lengths = [len(value) for value in values]
    return ColumnPreview(
        name,
        kind,
        filled=round(len(values) / len(records), 3) if records else None,
        mean_length=round(statistics.fmean(lengths), 1) if lengths else None,
        example=_shortened(values[0]) if values else "",
    )


def _filled(name: str, records: Sequence[SourceRow]) -> Iterator[str]:
    for record in records:
        value = record.values.get(name)
        text = value if isinstance(value, str) else as_text(value)
        if not is_blank(text):
            yield text


def _shortened(text: str) -> str:
    line = " ".join(text[: 4 * EXAMPLE_CHARACTERS].split())
    return line if len(line) <= EXAMPLE_CHARACTERS else f"{line[: EXAMPLE_CHARACTERS - 3]}..."


def _is_sayable(kind: str) -> bool:
    """Return whether values of this kind are short or text: nothing to be decoded, no pictures."""
    return kind in (TEXT, "number", "true or false") or kind.startswith(
        ("int", "uint", "float", "double", "bool", "dictionary")
    )
