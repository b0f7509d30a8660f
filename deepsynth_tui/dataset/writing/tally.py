"""What became of documents, in figures that can be kept as JSON and added up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# Of the documents with some flaw, and of the missing characters, this many are named.
NAMED = 100
NAMED_IN_WARNING = 8


@dataclass(slots=True)
class Affected:
    """How often something happened, in how many documents, and which were the first."""

    count: int = 0
    documents: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, source_id: str, count: int) -> None:
        """Count `count` in one document; none leaves no trace."""
        if count:
            self.merge(Affected(count, 1, [source_id]))

    def merge(self, later: Affected) -> None:
        """Add what came after."""
        self.count += later.count
        self.documents += later.documents
        self.first = (self.first + later.first)[:NAMED]

    def to_json(self) -> dict[str, Any]:
        """Return the figures under their names in `report.json`."""
        return {"count": self.count, "documents": self.documents, "first_documents": self.first}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(said["count"], said["documents"], list(said["first_documents"]))

    def named(self) -> str:
        """Return the first documents for a sentence."""
        shown = ", ".join(self.first[:NAMED_IN_WARNING])
        rest = self.documents - min(len(self.first), NAMED_IN_WARNING)
        return shown + (f" and {rest} more" if rest else "")


@dataclass(slots=True)
class Tally:
    """Figures of any number of documents.

    `documents` are in the dataset, `skipped` by reason are not; `flaws` and `missing`, the
    characters without a glyph, count in both.
    """

    documents: int = 0
    pages: int = 0
    lines: int = 0
    skipped: defaultdict[str, Affected] = field(default_factory=lambda: defaultdict(Affected))
    flaws: defaultdict[str, Affected] = field(default_factory=lambda: defaultdict(Affected))
    missing: Counter[str] = field(default_factory=Counter)
    font_sizes: Counter[str] = field(default_factory=Counter)
    fonts: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        """How many documents have been read, drawn or skipped."""
        return self.documents + sum(one.documents for one in self.skipped.values())

    def keep(self, *, pages: int, lines: int, font_size: int, fonts: Iterable[str]) -> None:
        """Count a document that is in the dataset."""
        self.fonts.update(fonts)
        self.documents += 1
        self.pages += pages
        self.lines += lines
        self.font_sizes[str(font_size)] += 1

    def flawed(self, source_id: str, flaws: Mapping[str, int]) -> None:
        """Count how many of each flaw a document has."""
        for name, count in flaws.items():
            self.flaws[name].add(source_id, count)

    def merge(self, later: Tally) -> None:
        """Add the figures of documents that came after these."""
        self.documents += later.documents
        self.pages += later.pages
        self.lines += later.lines
        self.missing.update(later.missing)
        self.font_sizes.update(later.font_sizes)
        self.fonts.update(later.fonts)
        for mine, others in ((self.skipped, later.skipped), (self.flaws, later.flaws)):
            for name, affected in others.items():
                mine[name].merge(affected)

    def to_json(self) -> dict[str, Any]:
        """Return everything in JSON's types."""
        return {
            "documents": self.documents,
            "pages": self.pages,
            "lines": self.lines,
            "skipped": {name: one.to_json() for name, one in self.skipped.items()},
            "flaws": {name: one.to_json() for name, one in self.flaws.items()},
            "missing": dict(self.missing),
            "font_sizes": dict(self.font_sizes),
            "fonts": dict(self.fonts),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. Raises KeyError or TypeError on other data."""
        return cls(
            documents=said["documents"],
            pages=said["pages"],
            lines=said["lines"],
            skipped=_affected(said["skipped"]),
            flaws=_affected(said["flaws"]),
            missing=Counter(said["missing"]),
            font_sizes=Counter(said["font_sizes"]),
            fonts=Counter(said["fonts"]),
        )


def _affected(said: Mapping[str, Any]) -> defaultdict[str, Affected]:
    return defaultdict(Affected, {name: Affected.from_json(one) for name, one in said.items()})
