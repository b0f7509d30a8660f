"""What would keep a dataset run from succeeding, found before it starts.

`python -m deepsynth_tui.dataset.preflight CONFIG.yaml` prints one JSON object:
`{"problems": [{"key", "message", "hint"}], "notices": [{"key", "message"}], "columns": [..],
"documents": n or null, "first": {"text": .., "page": {..}}, "sources": [..]}`. `columns` are those
a form can offer, `documents` how many there are where that is quick to say, `first` the beginning
of the first document, or null; `page` its first page: `PageFigures` and a thumbnail in braille.

For each source, in order, `sources` has `{"path", "columns": [{"name", "kind", "filled",
"mean_length", "example"}], "proposal": {"settings": {key: value}, "why"} or null}`, of its first
rows; `proposing` says what is what. Other keys that the proposal names are those of `source`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin import locate
from deepsynth_tui.config.dataset import DatasetConfig, SourceSettings
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.preflight import output_dir_problems, run_preflight_command
from deepsynth_tui.config.problems import Notice, Problem
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.draw_document import DrawnDocument, draw_document, renderer
from deepsynth_tui.dataset.errors import ColumnError, DatasetError
from deepsynth_tui.dataset.preview import PreviewPage, first_page, thumbnail
from deepsynth_tui.dataset.reading.guess_columns import Column, Proposal, look_at, propose
from deepsynth_tui.dataset.reading.mixture import Mixture, at_number, columns_named, mixed
from deepsynth_tui.dataset.reading.named_columns import existing, text_column
from deepsynth_tui.dataset.reading.readers import Reader
from deepsynth_tui.dataset.reading.sources import (
    Document,
    Named,
    Source,
    choose_columns,
    open_reader,
)
from deepsynth_tui.dataset.writing.disk_space import check_space, needed_bytes
from deepsynth_tui.dataset.writing.ray_available import check_ray

PREVIEW_CHARACTERS = 2000
THUMBNAIL_COLUMNS = 40
# Documents are counted before the start in files up to this size: a fraction of a second.
QUICK_BYTES = 16 << 20
# A document with text must be among the first few: reading on would take long.
SEARCHED = 100


@dataclass(slots=True)
class Looked:
    """What a look at one source found; `source` is None where it has problems."""

    path: str
    problems: list[Problem] = field(default_factory=list)
    names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    source: Source | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints of a source."""
        proposal: Proposal | None = propose(self.columns)
        return {
            "path": self.path,
            "columns": [asdict(column) for column in self.columns],
            "proposal": proposal.to_json() if proposal else None,
        }


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is known before the start. `first` is the first document that has text, `page` its
    first page."""

    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()
    columns: tuple[str, ...] = ()
    documents: int | None = None
    first: Document | None = None
    sources: tuple[Looked, ...] = ()
    page: PreviewPage | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        first: dict[str, Any] | None = None
        if self.first:
            first = {"text": self.first.text[:PREVIEW_CHARACTERS]}
        if first and self.page:
            figures = self.page.figures.to_json()
            first["page"] = {**figures, "thumbnail": thumbnail(self.page.png, THUMBNAIL_COLUMNS)}
        return {
            "problems": [one.to_json() for one in self.problems],
            "notices": [{"key": one.key, "message": one.message} for one in self.notices],
            "columns": list(self.columns),
            "documents": self.documents,
            "first": first,
            "sources": [one.to_json() for one in self.sources],
        }


def check(config: DatasetConfig) -> list[Problem]:
    """Return every problem that can be found without making the dataset; `inspect` knows more."""
    return list(inspect(config).problems)


def inspect(config: DatasetConfig) -> Preflight:
    """Open the sources, draw the first document, look at the output folder and the disk."""
    problems = [*output_dir_problems(config.output.dir), *_drawing_problems(config)]
    looked = [_look(settings, columns_named(config)) for settings in config.all_sources]
    if config.sources:
        for number, one in enumerate(looked, start=1):
            one.problems = [_at_number(number, one.path, problem) for problem in one.problems]
    columns = tuple(dict.fromkeys(name for one in looked for name in one.names))
    wrong = [problem for one in looked for problem in one.problems]
    opened = [one.source for one in looked if one.source]
    if len(opened) < len(looked):
        return Preflight((*wrong, *problems), (), columns, sources=tuple(looked))
    source = mixed(opened, config) if config.sources else opened[0]
    documents, first, page = None, None, None
    try:
        documents = _quick_count(source, config)
        first = next((d for d in islice(source.documents(), SEARCHED) if _has_text(d)), None)
        if first is None:
            problems.append(_no_text(source))
        elif not problems:
            page = first_page(first, config)
            drawn = draw_document(first, config, renderer(config))
            sample = [drawn] if isinstance(drawn, DrawnDocument) else []
            output = Path(config.output.dir).expanduser() if config.output.dir else home()
            check_space(output, needed_bytes(sample, documents))
    except DatasetError as error:
        problems.append(_problem(error))
    found = (*wrong, *problems)
    return Preflight(found, source.notices, columns, documents, first, tuple(looked), page)


def main() -> int:
    """Check the configuration named on the command line and print what was found."""
    return run_preflight_command(DatasetConfig, inspect, Preflight)


def _drawing_problems(config: DatasetConfig) -> Iterator[Problem]:
    try:
        if config.engine == "ray":
            check_ray()
        renderer(config)
    except DatasetError as error:
        yield _problem(error)


def _look(settings: SourceSettings, named: Named) -> Looked:
    """Open one source, and say all that is wrong with its columns."""
    looked = Looked(settings.path)
    try:
        reader = open_reader(settings)
        looked.names = tuple(reader.columns)
        looked.problems += _column_problems(reader, settings, named)
        looked.columns = look_at(reader)
        if not looked.problems:
            looked.source = choose_columns(reader, settings, named)
    except DatasetError as error:
        looked.problems.append(_problem(error))
    return looked


def _column_problems(reader: Reader, settings: SourceSettings, named: Named) -> Iterator[Problem]:
    target = settings.target_column
    wanted = [(target, reader.columns, "source.target_column")] if target is not None else []
    wanted += [(column, tuple(reader.kinds), named.key) for column in named.columns]
    try:
        text_column(reader.columns, settings.text_column)
    except ColumnError as error:
        yield _problem(error)
    for column, columns, key in wanted:
        try:
            existing(columns, column, key)
        except ColumnError as error:
            yield _problem(error)


def _quick_count(source: Source | Mixture, config: DatasetConfig) -> int | None:
    """Return how many documents there are, None where counting them would take long."""
    paths = [Path(locate(one.path)).expanduser() for one in config.all_sources]
    read_through = [path for path in paths if path.is_file() and path.suffix.lower() != ".parquet"]
    too_many = sum(path.stat().st_size for path in read_through) > QUICK_BYTES
    return None if too_many else source.count()


def _has_text(document: Document) -> bool:
    return document.unreadable is None and not is_blank(document.text)


def _no_text(source: Source | Mixture) -> Problem:
    return Problem(
        "source.text_column",
        f"column {source.text_column!r} is empty in the first documents (up to {SEARCHED})",
        "Choose a column that holds text.",
    )


def _at_number(number: int, path: str, problem: Problem) -> Problem:
    message = problem.message if path in problem.message else f"{path}: {problem.message}"
    return replace(problem, key=at_number(number, problem.key), message=message)


def _problem(error: DatasetError) -> Problem:
    return Problem(error.key, error.message, error.advice)


if __name__ == "__main__":
    sys.exit(main())
