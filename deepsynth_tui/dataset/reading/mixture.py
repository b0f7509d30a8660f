"""All documents of a dataset: those of its one source, or of several mixed by weight."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from deepsynth_tui.config.dataset import DatasetConfig, MixedSource
from deepsynth_tui.config.problems import Notice
from deepsynth_tui.dataset.errors import DatasetError
from deepsynth_tui.dataset.reading.choose_instruction import instruction_columns
from deepsynth_tui.dataset.reading.sources import Document, Source, open_source


@dataclass(frozen=True, slots=True)
class Mixture:
    """Several sources, each with the name that its documents carry, and its weight."""

    sources: tuple[Source, ...]
    names: tuple[str, ...]
    settings: tuple[MixedSource, ...]
    seed: int

    def documents(self) -> Iterator[Document]:
        """Yield the documents of all sources, each of them to its end.

        The next one is of a source chosen by weight among those that have documents left, always
        the same with the same seed. Raises `SourceError` and `ColumnError`.
        """
        chance = random.Random(self.seed)
        left = list(range(len(self.sources)))
        streams = [source.documents() for source in self.sources]
        while left:
            weights = [self.settings[number].weight for number in left]
            (number,) = chance.choices(left, weights)
            document = next(streams[number], None)
            if document is None:
                left.remove(number)
                continue
            yield replace(document, source_id=self._named(number, document.source_id))

    def count(self) -> int | None:
        """Return how many documents there are, None if unknown; may read the sources through."""
        counts = [source.count() for source in self.sources]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def text_column(self) -> str:
        """The columns of text, for a sentence."""
        return ", ".join(dict.fromkeys(source.text_column for source in self.sources))

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the sources have to say, each under its number."""
        return tuple(
            Notice(numbered_key(number, notice.key), notice.message)
            for number, source in enumerate(self.sources, start=1)
            for notice in source.notices
        )

    def _named(self, number: int, source_id: str) -> str:
        # A row without an id is named by its file, or its Hub id, and where it stands there.
        path = self.settings[number].path
        for own in (path, PurePath(path).name):
            source_id = source_id.removeprefix(f"{own}:")
        return f"{self.names[number]}:{source_id}"


def open_documents(config: DatasetConfig) -> Source | Mixture:
    """Open all that `config` names. Raises `SourceError` and `ColumnError`."""
    named = instruction_columns(config)
    if not config.sources:
        return open_source(config.source, named)
    opened = []
    for number, settings in enumerate(config.sources, start=1):
        try:
            opened.append(open_source(settings, named))
        except DatasetError as error:
            raise error_in_source(number, settings.path, error) from error
    return mix_sources(opened, config)


def mix_sources(opened: Sequence[Source], config: DatasetConfig) -> Mixture:
    """Return the opened `config.sources` as one."""
    return Mixture(tuple(opened), source_names(config.sources), tuple(config.sources), config.seed)


def source_names(settings: Sequence[MixedSource]) -> tuple[str, ...]:
    """Return a name for each source: as much of the end of its path as tells it from others; a
    number after it where that is all of it."""
    paths = [PurePath(one.path).parts for one in settings]
    names: list[str] = []
    times: Counter[str] = Counter()
    for parts in paths:
        lengths = range(1, len(parts) + 1)
        alike = (sum(other[-n:] == parts[-n:] for other in paths) for n in lengths)
        least = next((n for n, found in zip(lengths, alike, strict=True) if found == 1), len(parts))
        name = str(PurePath(*parts[-least:]))
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name}#{times[name]}")
    return tuple(names)


def numbered_key(number: int, key: str) -> str:
    """Return the key of a setting of the source of that number, from its key in `source`."""
    return key.replace("source.", f"sources.{number}.", 1) if key.startswith("source.") else key


def error_in_source(number: int, path: str, error: DatasetError) -> DatasetError:
    """Return an error of one source that says which of several it was."""
    message = error.message if path in error.message else f"{path}: {error.message}"
    return type(error)(message, error.advice, numbered_key(number, error.key))
