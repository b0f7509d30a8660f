"""The documents of a dataset: from one source, or from several mixed by weight."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.problems import Notice
from deepsynth_tui.config.source import MixedSource
from deepsynth_tui.dataset.errors import DatasetError
from deepsynth_tui.dataset.reading.choose_instruction import instruction_columns
from deepsynth_tui.dataset.reading.reader import left_out_text
from deepsynth_tui.dataset.reading.sources import Document, Source, open_source


@dataclass(frozen=True, slots=True)
class Mixture:
    """Several sources; `names` are the prefixes of their documents' ids."""

    sources: tuple[Source, ...]
    names: tuple[str, ...]
    settings: tuple[MixedSource, ...]
    seed: int

    def documents(self) -> Iterator[Document]:
        """Yield the documents of all sources, each source to its end.

        Each document comes from a source drawn by weight among those that are not exhausted; the
        seed determines the order. Raises `SourceError` and `ColumnError`.
        """
        rng = random.Random(self.seed)
        remaining = list(range(len(self.sources)))
        streams = [source.documents() for source in self.sources]
        while remaining:
            weights = [self.settings[index].weight for index in remaining]
            (index,) = rng.choices(remaining, weights)
            document = next(streams[index], None)
            if document is None:
                remaining.remove(index)
                continue
            yield replace(document, source_id=self._prefixed_id(index, document.source_id))

    def count(self) -> int | None:
        """Return the number of documents, None if unknown; may read whole sources."""
        counts = [source.count() for source in self.sources]
        counted = [count for count in counts if count is not None]
        return sum(counted) if len(counted) == len(counts) else None

    @property
    def text_column(self) -> str:
        """The names of the text columns, joined by commas."""
        return ", ".join(dict.fromkeys(source.text_column for source in self.sources))

    @property
    def bytes_to_count(self) -> int:
        """Size of the files that `count` reads."""
        return sum(source.bytes_to_count for source in self.sources)

    @property
    def contents(self) -> tuple[str, ...]:
        """What the sources hold and how they are read, in lines for people."""
        return tuple(
            f"{name}: {line}"
            for name, source in zip(self.names, self.sources, strict=True)
            for line in source.contents
        )

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many files, by suffix or type, were found and are not read."""
        return sum((Counter(source.left_out) for source in self.sources), Counter())

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The notices of all sources, with numbered keys."""
        return tuple(
            Notice(numbered_key(number, notice.key), notice.message)
            for number, source in enumerate(self.sources, start=1)
            for notice in source.notices
        )

    def _prefixed_id(self, index: int, source_id: str) -> str:
        # A row without an id column has its file name or Hub id as a prefix: drop that.
        path = self.settings[index].path
        for prefix in (path, PurePath(path).name):
            source_id = source_id.removeprefix(f"{prefix}:")
        return f"{self.names[index]}:{source_id}"


def open_documents(config: DatasetConfig) -> Source | Mixture:
    """Open the sources of `config`. Raises `SourceError` and `ColumnError`."""
    instruction = instruction_columns(config)
    bad_rows = config.flaws.bad_rows
    if not config.sources:
        return open_source(config.source, instruction, bad_rows)
    opened = []
    for number, settings in enumerate(config.sources, start=1):
        try:
            opened.append(open_source(settings, instruction, bad_rows))
        except DatasetError as error:
            raise error_in_source(number, settings.path, error) from error
    return mix_sources(opened, config)


def describe(source: Source | Mixture) -> tuple[str, ...]:
    """Return what the documents are, what is not read and what was guessed, in lines for people."""
    left_out = left_out_text(source.left_out)
    not_read = [f"not read: {left_out}"] if left_out else []
    return (*source.contents, *not_read, *map(str, source.notices))


def mix_sources(opened: Sequence[Source], config: DatasetConfig) -> Mixture:
    """Return the opened `config.sources` as one mixture."""
    return Mixture(tuple(opened), source_names(config.sources), tuple(config.sources), config.seed)


def source_names(settings: Sequence[MixedSource]) -> tuple[str, ...]:
    """Return a unique name for each source: the shortest end of its path that is unique.

    Sources with the same path are numbered.
    """
    paths = [PurePath(source.path).parts for source in settings]
    names: list[str] = []
    uses: Counter[str] = Counter()
    for parts in paths:
        lengths = range(1, len(parts) + 1)
        matches = (sum(other[-n:] == parts[-n:] for other in paths) for n in lengths)
        length = next(
            (n for n, count in zip(lengths, matches, strict=True) if count == 1), len(parts)
        )
        name = str(PurePath(*parts[-length:]))
        uses[name] += 1
        names.append(name if uses[name] == 1 else f"{name}#{uses[name]}")
    return tuple(names)


def numbered_key(number: int, key: str) -> str:
    """Return a `source.*` key as that of source `number` in `sources`, counted from 1."""
    return key.replace("source.", f"sources.{number}.", 1) if key.startswith("source.") else key


def error_in_source(number: int, path: str, error: DatasetError) -> DatasetError:
    """Return `error` with the path and the key of the source that it is about."""
    message = error.message if path in error.message else f"{path}: {error.message}"
    return type(error)(message, error.advice, numbered_key(number, error.key))
