"""What became of the documents: counted while they are drawn, kept as `report.json`."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepsynth_tui.dataset.reading.composing import Skipped
from deepsynth_tui.dataset.writing.drawing_pool import DrawnDocument

VERSION = 1
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
            self.count += count
            self.documents += 1
            if len(self.first) < NAMED:
                self.first.append(source_id)

    def to_json(self) -> dict[str, Any]:
        """Return the figures under their names in `report.json`."""
        return {"count": self.count, "documents": self.documents, "first_documents": self.first}

    def named(self) -> str:
        """Return the first documents for a sentence."""
        shown = ", ".join(self.first[:NAMED_IN_WARNING])
        rest = self.documents - min(len(self.first), NAMED_IN_WARNING)
        return shown + (f" and {rest} more" if rest else "")


class Tally:
    """Everything `report.json` says, as far as it is known."""

    def __init__(self) -> None:
        self.documents = 0
        self.pages = 0
        self.lines = 0
        self.lost_lines = 0
        self.skipped: defaultdict[str, Affected] = defaultdict(Affected)
        self.characters: Counter[str] = Counter()
        self.missing = Affected()
        self.unshaped = Affected()
        self.split = Affected()
        self.clipped = Affected()
        self.controls = Affected()
        self.surrogates = Affected()
        self.font_sizes: Counter[int] = Counter()
        self._hash = hashlib.sha256()

    @property
    def read(self) -> int:
        """How many documents have been read, drawn or skipped."""
        return self.documents + sum(one.documents for one in self.skipped.values())

    def skip(self, skipped: Skipped) -> None:
        """Count a document that is left out."""
        self.skipped[skipped.reason].add(skipped.source_id, 1)

    def add(self, drawn: DrawnDocument) -> None:
        """Count a document that is in the dataset."""
        document, rendered = drawn.document, drawn.rendered
        self.documents += 1
        self.pages += len(drawn.pages)
        self.lines += rendered.lines
        self.lost_lines += rendered.lost_lines
        self.characters += rendered.missing
        self.font_sizes[rendered.font_size] += 1
        name = document.source_id
        self.missing.add(name, rendered.missing.total())
        self.unshaped.add(name, rendered.unshaped)
        self.split.add(name, rendered.split_tokens)
        self.clipped.add(name, rendered.clipped_glyphs)
        self.controls.add(name, document.removed_controls)
        self.surrogates.add(name, document.replaced_surrogates)
        texts = (name, document.instruction, document.text, document.target)
        for part in (*(text.encode() for text in texts), *drawn.pages):
            self._hash.update(len(part).to_bytes(8, "big") + part)

    def warnings(self, font: str) -> Iterator[str]:
        """Yield a sentence for each thing that a person should know."""
        for reason, one in self.skipped.items():
            yield f"skipped {one.documents} of {self.read} documents, {reason}: {one.named()}"
        if self.missing.count:
            common = self.characters.most_common(NAMED_IN_WARNING)
            kinds = ", ".join(f"{character} (U+{ord(character):04X})" for character, _ in common)
            yield (
                f"{font} has no glyph for {self.missing.count} characters, which are drawn as "
                f"boxes: {kinds}{', ...' if len(self.characters) > len(common) else ''}; "
                f"in {self.missing.named()}"
            )
        if self.unshaped.count:
            yield (
                f"{self.unshaped.count} characters of right-to-left or joined scripts are drawn "
                f"one by one from left to right; in {self.unshaped.named()}"
            )
        if self.clipped.count:
            yield (
                f"{self.clipped.count} glyphs reach over the edge of the page and are cut: make "
                f"page.margin larger; in {self.clipped.named()}"
            )

    def to_json(self, *, font: str, shards: Sequence[str], page: dict[str, Any]) -> dict[str, Any]:
        """Return `report.json`. `page` are the page settings, `shards` the names of the files."""
        return {
            "version": VERSION,
            "documents": self.documents,
            "documents_read": self.read,
            "pages": self.pages,
            "skipped": {
                reason: {"count": one.documents, "first_documents": one.first}
                for reason, one in self.skipped.items()
            },
            "lines": self.lines,
            "lost_lines": self.lost_lines,
            "missing_glyphs": {
                **self.missing.to_json(),
                "characters": dict(self.characters.most_common(NAMED)),
            },
            "unshaped_characters": self.unshaped.to_json(),
            "split_tokens": self.split.to_json(),
            "clipped_glyphs": self.clipped.to_json(),
            "removed_control_characters": self.controls.to_json(),
            "replaced_surrogates": self.surrogates.to_json(),
            "font": font,
            "font_sizes": {str(size): self.font_sizes[size] for size in sorted(self.font_sizes)},
            "page": page,
            "shards": list(shards),
            "fingerprint": f"sha256:{self._hash.hexdigest()}",
        }
