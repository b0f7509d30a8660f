"""What would keep a dataset run from succeeding, found before it starts.

`python -m deepsynth_tui.dataset.preflight CONFIG.yaml` prints one JSON object:
`{"problems": [{"key", "message", "hint"}], "notices": [{"key", "message"}], "columns": [..],
"documents": n or null, "first": {"text": ..}}`. `columns` are those a form can offer, `documents`
how many there are where that is quick to say, `first` the beginning of the first document, or
null.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin import locate
from deepsynth_tui.config.dataset import DatasetConfig, SourceSettings
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.preflight import command, output_problems
from deepsynth_tui.config.problems import Notice, Problem
from deepsynth_tui.dataset.cleaning import is_blank
from deepsynth_tui.dataset.errors import ColumnError, DatasetError
from deepsynth_tui.dataset.reading.columns import existing, text_column
from deepsynth_tui.dataset.reading.sources import Document, Source, choose_columns, open_reader
from deepsynth_tui.dataset.writing.drawn import DrawnDocument, draw_document, renderer
from deepsynth_tui.dataset.writing.ray_there import check_ray
from deepsynth_tui.dataset.writing.space import check_space, needed_bytes

PREVIEW_CHARACTERS = 2000
# Documents are counted before the start in files up to this size: a fraction of a second.
QUICK_BYTES = 16 << 20
# A document with text must be among the first few: reading on would take long.
SEARCHED = 100


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is known before the start. `first` is the first document that has text."""

    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()
    columns: tuple[str, ...] = ()
    documents: int | None = None
    first: Document | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        first = {"text": self.first.text[:PREVIEW_CHARACTERS]} if self.first else None
        return {
            "problems": [one.to_json() for one in self.problems],
            "notices": [{"key": one.key, "message": one.message} for one in self.notices],
            "columns": list(self.columns),
            "documents": self.documents,
            "first": first,
        }


def check(config: DatasetConfig) -> list[Problem]:
    """Return every problem that can be found without making the dataset; `inspect` knows more."""
    return list(inspect(config).problems)


def inspect(config: DatasetConfig) -> Preflight:
    """Open the source, draw the first document, look at the output folder and the disk."""
    output = Path(config.output.dir).expanduser() if config.output.dir else None
    problems = output_problems(config.output.dir)
    try:
        renderer(config)
        if config.engine == "ray":
            check_ray()
    except DatasetError as error:
        problems.append(_problem(error))
    try:
        reader = open_reader(config.source)
    except DatasetError as error:
        return Preflight((_problem(error), *problems))
    columns = tuple(reader.columns)
    wrong = _column_problems(columns, config.source)
    if wrong:
        return Preflight((*wrong, *problems), columns=columns)
    source = choose_columns(reader, config.source)
    documents, first = None, None
    try:
        documents = _quick_count(source, config.source)
        first = next(
            (d for d in islice(source.documents(), SEARCHED) if not is_blank(d.text)), None
        )
        if first is None:
            problems.append(_no_text(source))
        elif not problems:
            drawn = draw_document(first, config)
            sample = [drawn] if isinstance(drawn, DrawnDocument) else []
            check_space(output or home(), needed_bytes(sample, documents))
    except DatasetError as error:
        problems.append(_problem(error))
    return Preflight(tuple(problems), source.notices, columns, documents, first)


def main() -> int:
    """Check the configuration named on the command line and print what was found."""
    return command(DatasetConfig, inspect, Preflight)


def _column_problems(columns: Sequence[str], settings: SourceSettings) -> list[Problem]:
    problems = []
    try:
        text_column(columns, settings.text_column)
    except ColumnError as error:
        problems.append(_problem(error))
    try:
        if settings.target_column is not None:
            existing(columns, settings.target_column, "source.target_column")
    except ColumnError as error:
        problems.append(_problem(error))
    return problems


def _quick_count(source: Source, settings: SourceSettings) -> int | None:
    """Return how many documents there are, None where counting them would take long."""
    path = Path(locate(settings.path)).expanduser()
    reads_through = path.is_file() and path.suffix.lower() != ".parquet"
    return None if reads_through and path.stat().st_size > QUICK_BYTES else source.count()


def _no_text(source: Source) -> Problem:
    return Problem(
        "source.text_column",
        f"column {source.text_column!r} is empty in the first documents (up to {SEARCHED})",
        "Choose a column that holds text.",
    )


def _problem(error: DatasetError) -> Problem:
    return Problem(error.key, error.message, error.advice)


if __name__ == "__main__":
    sys.exit(main())
