"""Find every problem that would make a dataset run fail, before it starts.

`python -m deepsynth_tui.dataset.preflight CONFIG.yaml` prints one JSON object:

- `problems`: `[{"key", "message", "hint"}]`; `notices`: `[{"key", "message"}]`
- `columns`: the column names that a form can offer
- `documents`: the number of documents, or null if counting them would take long
- `looked_at`: null, or how many documents were read for these findings, see `look_at`:
  `{"documents", "empty", "bad", "all"}`
- `first`: `{"text", "page"}` of the first document with text, or null: the start of its text, and
  the `PageInfo` of its first page with a `thumbnail` in braille
- `sources`: for each source in order `{"path", "contents", "left_out", "columns", "proposal"}`.
  `contents` are lines that say what the source holds and how it is read, `left_out` is how many
  files, by suffix or type, are not read. `columns`, from the first rows, is
  `[{"name", "kind", "filled", "mean_length", "example"}]`, `proposal` is null or
  `{"settings": {key: value}, "why"}`; see `reading.guess_columns`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.preflight_report import output_dir_problems, run_preflight_command
from deepsynth_tui.config.problems import Notice, Problem
from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.draw_document import DrawnDocument, cached_renderer, draw_document
from deepsynth_tui.dataset.errors import ColumnError, DatasetError
from deepsynth_tui.dataset.look_at import LookedAt, look_at_documents
from deepsynth_tui.dataset.preview import PreviewPage, first_page, thumbnail
from deepsynth_tui.dataset.reading.choose_instruction import InstructionColumns, instruction_columns
from deepsynth_tui.dataset.reading.guess_columns import (
    ColumnPreview,
    Proposal,
    first_rows,
    guess_columns,
    preview_columns,
)
from deepsynth_tui.dataset.reading.mixture import Mixture, mix_sources, numbered_key
from deepsynth_tui.dataset.reading.named_columns import require_column
from deepsynth_tui.dataset.reading.open_reader import open_reader
from deepsynth_tui.dataset.reading.reader import SourceReader, SourceRow, left_out_text
from deepsynth_tui.dataset.reading.sources import (
    Document,
    Source,
    source_from_reader,
    text_column_of,
)
from deepsynth_tui.dataset.writing.backends import check_ray
from deepsynth_tui.dataset.writing.disk_space import check_space, estimate_bytes

PREVIEW_CHARACTERS = 2000
THUMBNAIL_COLUMNS = 40
# Text files up to this size in total are counted: it takes a fraction of a second.
MAX_COUNTED_BYTES = 16 << 20
MAX_NAMED_ROWS = 3


@dataclass(slots=True)
class SourcePreflight:
    """Findings about one source; `source` is None if it has problems."""

    path: str
    problems: list[Problem] = field(default_factory=list)
    names: tuple[str, ...] = ()
    columns: tuple[ColumnPreview, ...] = ()
    notices: list[Notice] = field(default_factory=list)
    contents: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    source: Source | None = None

    def to_json(self) -> dict[str, Any]:
        """Return an entry of `sources` in the output of the command."""
        proposal: Proposal | None = guess_columns(self.columns)
        return {
            "path": self.path,
            "contents": [*self.contents, *self._left_out_line()],
            "left_out": dict(self.left_out),
            "columns": [asdict(column) for column in self.columns],
            "proposal": proposal.to_json() if proposal else None,
        }

    def _left_out_line(self) -> list[str]:
        text = left_out_text(self.left_out)
        return [f"not read: {text}"] if text else []


@dataclass(frozen=True, slots=True)
class Preflight:
    """Findings about a configuration.

    `first` is the first document that has text, `page` its first page.
    """

    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()
    columns: tuple[str, ...] = ()
    documents: int | None = None
    first: Document | None = None
    sources: tuple[SourcePreflight, ...] = ()
    page: PreviewPage | None = None
    looked_at: LookedAt | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the output of the command."""
        first: dict[str, Any] | None = None
        if self.first:
            first = {"text": self.first.text[:PREVIEW_CHARACTERS]}
        if first and self.page:
            figures = self.page.figures.to_json()
            first["page"] = {**figures, "thumbnail": thumbnail(self.page.image, THUMBNAIL_COLUMNS)}
        return {
            "problems": [problem.to_json() for problem in self.problems],
            "notices": [{"key": notice.key, "message": notice.message} for notice in self.notices],
            "columns": list(self.columns),
            "documents": self.documents,
            "looked_at": self.looked_at.to_json() if self.looked_at else None,
            "first": first,
            "sources": [source.to_json() for source in self.sources],
        }


def check(config: DatasetConfig) -> list[Problem]:
    """Return every problem that can be found without generating the dataset."""
    return list(inspect(config).problems)


def inspect(config: DatasetConfig) -> Preflight:
    """Open the sources, draw the first document, and check the output folder and the disk."""
    problems = [*output_dir_problems(config.output.dir), *_drawing_problems(config)]
    sources = [_inspect_source(settings, config) for settings in config.all_sources]
    if config.sources:
        for number, source in enumerate(sources, start=1):
            source.problems = [
                _of_numbered_source(number, source.path, problem) for problem in source.problems
            ]
            source.notices = [
                Notice(numbered_key(number, notice.key), notice.message)
                for notice in source.notices
            ]
    notices = [notice for source in sources for notice in source.notices]
    columns = tuple(dict.fromkeys(name for source in sources for name in source.names))
    source_problems = [problem for source in sources for problem in source.problems]
    opened = [source.source for source in sources if source.source]
    if len(opened) < len(sources):
        return Preflight(
            (*source_problems, *problems), tuple(notices), columns, sources=tuple(sources)
        )
    mixture = mix_sources(opened, config) if config.sources else opened[0]
    documents, page, looked_at = None, None, LookedAt()
    try:
        looked_at = look_at_documents(mixture)
        first = looked_at.first
        problems += _problems_of_documents(looked_at, mixture, config)
        documents = _quick_count(mixture)
        if first is not None and not problems:
            page = first_page(first, config)
            drawn = draw_document(first, config, cached_renderer(config))
            sample = [drawn] if isinstance(drawn, DrawnDocument) else []
            output = Path(config.output.dir).expanduser() if config.output.dir else home()
            check_space(output, estimate_bytes(sample, documents))
    except DatasetError as error:
        problems.append(_problem(error))
    return Preflight(
        (*source_problems, *dict.fromkeys(problems)),
        tuple(notices),
        columns,
        documents,
        looked_at.first,
        tuple(sources),
        page,
        looked_at,
    )


def main() -> int:
    """Check the configuration named on the command line and print the findings."""
    return run_preflight_command(DatasetConfig, inspect, Preflight)


def _drawing_problems(config: DatasetConfig) -> Iterator[Problem]:
    try:
        if config.engine == "ray":
            check_ray()
        cached_renderer(config)
    except DatasetError as error:
        yield _problem(error)


def _inspect_source(settings: SourceSettings, config: DatasetConfig) -> SourcePreflight:
    """Open one source and report every problem with its columns and first rows."""
    findings = SourcePreflight(settings.path)
    named = instruction_columns(config)
    try:
        reader = open_reader(settings)
        findings.names = reader.columns
        findings.contents, findings.left_out = reader.contents, reader.left_out
        findings.notices += reader.notices
        findings.problems += _column_problems(reader, settings, named)
        rows = first_rows(reader)
        findings.columns = preview_columns(reader, rows)
        if not findings.problems:
            source = source_from_reader(reader, settings, named, config.flaws.bad_rows)
            findings.notices = [*source.notices, *_bad_rows(rows)]
            findings.source = source
    except DatasetError as error:
        findings.problems.append(_problem(error))
    return findings


def _column_problems(
    reader: SourceReader, settings: SourceSettings, named: InstructionColumns
) -> Iterator[Problem]:
    target, question = settings.target_column, settings.question_column
    everything = tuple(reader.kinds)
    wanted = []
    if target is not None:
        columns = reader.columns if question is None else everything
        wanted.append((target, columns, "source.target_column"))
    if question is not None:
        wanted.append((question, everything, "source.question_column"))
    wanted += [(column, everything, named.key) for column in named.columns]
    try:
        text_column_of(reader, settings)
    except ColumnError as error:
        yield _problem(error)
    for column, columns, key in wanted:
        try:
            require_column(columns, column, key, reader.kinds)
        except ColumnError as error:
            yield _problem(error)


def _bad_rows(rows: Sequence[SourceRow]) -> Iterator[Notice]:
    """Say which of the first rows cannot be read."""
    bad = [row for row in rows if row.unreadable is not None]
    if bad:
        names = "; ".join(f"{row.location}: {row.unreadable}" for row in bad[:MAX_NAMED_ROWS])
        more = f"; and {len(bad) - MAX_NAMED_ROWS} more" if len(bad) > MAX_NAMED_ROWS else ""
        yield Notice(
            "flaws.bad_rows",
            f"{len(bad)} of the first {len(rows)} documents cannot be read: {names}{more}",
        )


def _quick_count(source: Source | Mixture) -> int | None:
    """Return the number of documents, or None if counting them would take long."""
    return None if source.bytes_to_count > MAX_COUNTED_BYTES else source.count()


def _problems_of_documents(
    looked_at: LookedAt, source: Source | Mixture, config: DatasetConfig
) -> Iterator[Problem]:
    empty = looked_at.first_empty
    if looked_at.failure is not None:
        yield _problem(looked_at.failure)
    elif looked_at.first is None:
        yield _no_text(looked_at, source)
    elif empty is not None and config.flaws.empty == "stop":
        yield Problem(
            "flaws.empty",
            f"{looked_at.empty:,} of {looked_at.documents:,} documents have no text or no answer, "
            f"the first is {empty.source_id}",
            "Set flaws.empty to drop, which leaves them out and counts them.",
        )


def _no_text(looked_at: LookedAt, source: Source | Mixture) -> Problem:
    which = "documents" if looked_at.is_all else "first documents"
    if (bad := looked_at.first_bad) is not None:
        return Problem(
            "source.path",
            f"none of the {looked_at.documents:,} {which} has text; "
            f"{bad.source_id}: {bad.unreadable}",
            bad.unreadable.advice if bad.unreadable else "",
        )
    return Problem(
        "source.text_column",
        f"column {source.text_column!r} is empty in the {looked_at.documents:,} {which}",
        "Choose a column that holds text.",
    )


def _of_numbered_source(number: int, path: str, problem: Problem) -> Problem:
    message = problem.message if path in problem.message else f"{path}: {problem.message}"
    return replace(problem, key=numbered_key(number, problem.key), message=message)


def _problem(error: DatasetError) -> Problem:
    return Problem(error.key, error.message, error.advice)


if __name__ == "__main__":
    sys.exit(main())
