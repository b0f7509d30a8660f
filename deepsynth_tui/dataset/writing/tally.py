"""Counts of documents, pages and flaws, which are stored as JSON and added up shard by shard."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

# The most documents with a flaw, and missing characters, that are listed by name.
MAX_NAMED_DOCUMENTS = 100
MAX_NAMED_IN_WARNING = 8
LONG_ROW_IMAGES = 16
"""Rows with more images are counted and warned about: few models are trained on so many."""


@dataclass(slots=True)
class Occurrences:
    """How often something occurred, in how many documents, and the first of their ids."""

    count: int = 0
    documents: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, source_id: str, count: int) -> None:
        """Add `count` occurrences in one document."""
        if count:
            self.merge(Occurrences(count, 1, [source_id]))

    def merge(self, later: Occurrences) -> None:
        """Add the occurrences in later documents."""
        self.count += later.count
        self.documents += later.documents
        self.first = (self.first + later.first)[:MAX_NAMED_DOCUMENTS]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as in `report.json`."""
        return {"count": self.count, "documents": self.documents, "first_documents": self.first}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(data["count"], data["documents"], list(data["first_documents"]))

    def name_documents(self) -> str:
        """Return the ids of the first documents and how many more there are."""
        names = ", ".join(self.first[:MAX_NAMED_IN_WARNING])
        more = self.documents - min(len(self.first), MAX_NAMED_IN_WARNING)
        return names + (f" and {more} more" if more else "")


@dataclass(frozen=True, slots=True)
class LargestRow:
    """The number of images of the row that has the most, and its document."""

    images: int = 0
    source_id: str = ""


@dataclass(slots=True)
class Tally:
    """Counts of any number of documents.

    `documents` counts those in the dataset and `skipped` the others, by reason. Counted in both:
    `flaws`, the characters without a glyph in `missing`, and by kind the characters in
    `unreadable_characters` and `normalized_characters`, see `dataset.unreadable_characters`.
    `long_rows` are those with more than `LONG_ROW_IMAGES` images.
    """

    documents: int = 0
    rows: int = 0
    pages: int = 0
    lines: int = 0
    skipped: defaultdict[str, Occurrences] = field(default_factory=lambda: defaultdict(Occurrences))
    flaws: defaultdict[str, Occurrences] = field(default_factory=lambda: defaultdict(Occurrences))
    missing: Counter[str] = field(default_factory=Counter)
    unreadable_characters: Counter[str] = field(default_factory=Counter)
    normalized_characters: Counter[str] = field(default_factory=Counter)
    font_sizes: Counter[str] = field(default_factory=Counter)
    fonts: Counter[str] = field(default_factory=Counter)
    largest_row: LargestRow = LargestRow()
    long_rows: Occurrences = field(default_factory=Occurrences)

    @property
    def documents_read(self) -> int:
        """Number of documents in the dataset and skipped."""
        return self.documents + sum(skipped.documents for skipped in self.skipped.values())

    def add_document(
        self,
        source_id: str,
        *,
        images: Sequence[int],
        lines: int,
        font_sizes: Mapping[int, int],
        fonts: Iterable[str],
    ) -> None:
        """Count a document that is in the dataset; `images` has the number in each of its rows."""
        self.fonts.update(fonts)
        self.documents += 1
        self.rows += len(images)
        self.pages += sum(images)
        self.lines += lines
        self.font_sizes.update({str(size): count for size, count in font_sizes.items()})
        self._add_largest(LargestRow(max(images), source_id))
        self.long_rows.add(source_id, sum(count > LONG_ROW_IMAGES for count in images))

    def _add_largest(self, row: LargestRow) -> None:
        if row.images > self.largest_row.images:
            self.largest_row = row

    def add_flaws(self, source_id: str, flaws: Mapping[str, int]) -> None:
        """Count the flaws of a document."""
        for name, count in flaws.items():
            self.flaws[name].add(source_id, count)

    def merge(self, later: Tally) -> None:
        """Add the counts of later documents."""
        self.documents += later.documents
        self.rows += later.rows
        self.pages += later.pages
        self.lines += later.lines
        self.missing.update(later.missing)
        self.unreadable_characters.update(later.unreadable_characters)
        self.normalized_characters.update(later.normalized_characters)
        self.font_sizes.update(later.font_sizes)
        self.fonts.update(later.fonts)
        self._add_largest(later.largest_row)
        self.long_rows.merge(later.long_rows)
        for target, source in ((self.skipped, later.skipped), (self.flaws, later.flaws)):
            for name, occurrences in source.items():
                target[name].merge(occurrences)

    def to_json(self) -> dict[str, Any]:
        """Return all counts in JSON types."""
        return {
            "documents": self.documents,
            "rows": self.rows,
            "pages": self.pages,
            "lines": self.lines,
            "skipped": {reason: skipped.to_json() for reason, skipped in self.skipped.items()},
            "flaws": {name: flaw.to_json() for name, flaw in self.flaws.items()},
            "missing": dict(self.missing),
            "unreadable_characters": dict(self.unreadable_characters),
            "normalized_characters": dict(self.normalized_characters),
            "font_sizes": dict(self.font_sizes),
            "fonts": dict(self.fonts),
            "largest_row": asdict(self.largest_row),
            "long_rows": self.long_rows.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. Raises KeyError or TypeError for other data."""
        return cls(
            documents=data["documents"],
            rows=data["rows"],
            pages=data["pages"],
            lines=data["lines"],
            skipped=_occurrences(data["skipped"]),
            flaws=_occurrences(data["flaws"]),
            missing=Counter(data["missing"]),
            unreadable_characters=Counter(data["unreadable_characters"]),
            normalized_characters=Counter(data["normalized_characters"]),
            font_sizes=Counter(data["font_sizes"]),
            fonts=Counter(data["fonts"]),
            largest_row=LargestRow(**data["largest_row"]),
            long_rows=Occurrences.from_json(data["long_rows"]),
        )


def _occurrences(data: Mapping[str, Any]) -> defaultdict[str, Occurrences]:
    return defaultdict(
        Occurrences, {name: Occurrences.from_json(value) for name, value in data.items()}
    )
