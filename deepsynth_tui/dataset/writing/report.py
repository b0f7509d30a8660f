"""`report.json`, `flaws.jsonl` and the warnings about what was skipped or is flawed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.drawing.system_fonts import SINGLE_FORM_FAMILY
from deepsynth_tui.dataset.unreadable_characters import KINDS, describe_unreadable
from deepsynth_tui.dataset.writing.document_batches import SPLITS
from deepsynth_tui.dataset.writing.flaws import FLAWS, describe_characters
from deepsynth_tui.dataset.writing.shards import Shard
from deepsynth_tui.dataset.writing.tally import LONG_ROW_IMAGES, MAX_NAMED_DOCUMENTS, Tally

VERSION = 3
REPORT_FILE = "report.json"
FLAWS_FILE = "flaws.jsonl"
# The other flaws are allowed by default and need no warning.
_FLAWS_TO_WARN_ABOUT = ("missing_glyphs", "clipped_glyphs", "unreadable_characters")


def write_flaws(folder: Path, shards: Iterable[Shard], paths: Mapping[str, str]) -> None:
    """Write `flaws.jsonl` into `folder`: a line for each document that has a flaw or was dropped.

    `row` is the position of its first row in the file `file`; both are null if it was dropped.
    `paths` maps the name of a shard to its file.
    """
    with (folder / FLAWS_FILE).open("w", encoding="utf-8") as file:
        for shard in shards:
            for document in shard.flawed:
                path = None if document["row"] is None else paths[shard.name]
                line = {**document, "file": path}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


class Report:
    """The counts of all finished shards, added up in order."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self.tally = Tally()
        self.splits: defaultdict[str, Counter[str]] = defaultdict(Counter)
        contents = hashlib.sha256()
        for shard in shards:
            self.tally.merge(shard.tally)
            if shard.rows:
                self.splits[shard.split].update(
                    documents=shard.tally.documents,
                    rows=shard.rows,
                    pages=shard.tally.pages,
                    shards=1,
                    bytes=shard.bytes,
                )
            contents.update(bytes.fromhex(shard.contents))
        self.fingerprint = f"sha256:{contents.hexdigest()}"

    def warnings(self, font: str) -> Iterator[str]:
        """Yield a warning for each reason to skip documents, and for flaws that stay in pages."""
        tally = self.tally
        for reason, skipped in tally.skipped.items():
            yield (
                f"skipped {skipped.documents} of {tally.documents_read} documents, {reason}: "
                f"{skipped.name_documents()}"
            )
        for name in _FLAWS_TO_WARN_ABOUT:
            if flaw := tally.flaws.get(name):
                description = FLAWS[name].count_text.format(flaw.count)
                if name == "missing_glyphs":
                    description += f", {font}: {describe_characters(tally.missing)}"
                if name == "unreadable_characters":
                    kinds = describe_unreadable(tally.unreadable_characters)
                    description += f": {kinds}, which normalize removes"
                yield f"{description}; in {flaw.name_documents()}"
        for name, documents in tally.fonts.items():
            if name.startswith(SINGLE_FORM_FAMILY):
                yield (
                    f"{documents} documents are drawn with {name}, which has one form of each "
                    "character for Chinese, Japanese and Korean: install Noto Sans CJK (Debian: "
                    "fonts-noto-cjk), or set page.fallback_fonts"
                )

    def to_json(
        self, *, font: str, page: Mapping[str, Any], files_left_out: Mapping[str, int]
    ) -> dict[str, Any]:
        """Return the content of `report.json`; `page` holds the page settings."""
        tally = self.tally
        flaws: dict[str, dict[str, Any]] = {name: tally.flaws[name].to_json() for name in FLAWS}
        characters = tally.missing.most_common(MAX_NAMED_DOCUMENTS)
        flaws["missing_glyphs"]["characters"] = dict(characters)
        flaws["unreadable_characters"]["kinds"] = _by_kind(tally.unreadable_characters)
        return {
            "version": VERSION,
            "documents": tally.documents,
            "documents_read": tally.documents_read,
            "rows": tally.rows,
            "pages": tally.pages,
            "largest_row": asdict(tally.largest_row),
            "long_rows": {"more_images_than": LONG_ROW_IMAGES, **tally.long_rows.to_json()},
            "splits": {name: dict(self.splits[name]) for name in SPLITS if name in self.splits},
            "skipped": {
                reason: {"count": skipped.documents, "first_documents": skipped.first}
                for reason, skipped in tally.skipped.items()
            },
            "files_left_out": dict(sorted(files_left_out.items())),
            "lines": tally.lines,
            # Always: a lost line ends the run with `CharactersLost`.
            "lost_lines": 0,
            **flaws,
            "normalized_characters": _by_kind(tally.normalized_characters),
            "font": font,
            "fonts": dict(sorted(tally.fonts.items())),
            "font_sizes": dict(sorted(tally.font_sizes.items(), key=lambda pair: int(pair[0]))),
            "page": dict(page),
            "fingerprint": self.fingerprint,
        }


def _by_kind(counts: Mapping[str, int]) -> dict[str, int]:
    return {kind: counts[kind] for kind in KINDS if counts.get(kind)}
