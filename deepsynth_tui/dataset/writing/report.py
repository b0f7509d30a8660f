"""What became of the documents, for people: `report.json`, `flaws.jsonl`, and the warnings."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.writing.document_batches import SPLITS
from deepsynth_tui.dataset.writing.flaws import FLAWS, characters
from deepsynth_tui.dataset.writing.shards import Shard
from deepsynth_tui.dataset.writing.tally import MAX_NAMED_DOCUMENTS, Tally

VERSION = 2
REPORT = "report.json"
FLAWS_FILE = "flaws.jsonl"
# What `flaws` allows by default is no news unless asked for.
_WORTH_A_WARNING = ("missing_glyphs", "clipped_glyphs")


def write_flaws(folder: Path, shards: Iterable[Shard], paths: Mapping[str, str]) -> None:
    """Put `flaws.jsonl` into `folder`: a line for each document with a flaw, or left out.

    `row` counts in the file `file`; both are null where the document was left out.
    """
    with (folder / FLAWS_FILE).open("w", encoding="utf-8") as file:
        for shard in shards:
            for one in shard.flawed:
                line = {**one, "file": None if one["row"] is None else paths[shard.name]}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


class Report:
    """The figures of finished shards, added up in their order."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self.tally = Tally()
        self.splits: defaultdict[str, Counter[str]] = defaultdict(Counter)
        contents = hashlib.sha256()
        for shard in shards:
            self.tally.merge(shard.tally)
            if shard.rows:
                self.splits[shard.split].update(
                    documents=shard.rows, pages=shard.tally.pages, shards=1, bytes=shard.bytes
                )
            contents.update(bytes.fromhex(shard.contents))
        self.fingerprint = f"sha256:{contents.hexdigest()}"

    def warnings(self, font: str) -> Iterator[str]:
        """Yield a sentence for each thing that a person should know."""
        tally = self.tally
        for reason, one in tally.skipped.items():
            yield f"skipped {one.documents} of {tally.read} documents, {reason}: {one.named()}"
        for name in _WORTH_A_WARNING:
            if one := tally.flaws.get(name):
                said = FLAWS[name].counted.format(one.count)
                if name == "missing_glyphs":
                    said += f", {font}: {characters(tally.missing)}"
                yield f"{said}; in {one.named()}"

    def to_json(self, *, font: str, page: Mapping[str, Any]) -> dict[str, Any]:
        """Return `report.json`; `page` are the page settings."""
        tally = self.tally
        flaws: dict[str, dict[str, Any]] = {name: tally.flaws[name].to_json() for name in FLAWS}
        flaws["missing_glyphs"]["characters"] = dict(tally.missing.most_common(MAX_NAMED_DOCUMENTS))
        return {
            "version": VERSION,
            "documents": tally.documents,
            "documents_read": tally.read,
            "pages": tally.pages,
            "splits": {name: dict(self.splits[name]) for name in SPLITS if name in self.splits},
            "skipped": {
                reason: {"count": one.documents, "first_documents": one.first}
                for reason, one in tally.skipped.items()
            },
            "lines": tally.lines,
            # A lost line ends the run, whatever the settings say.
            "lost_lines": 0,
            **flaws,
            "font": font,
            "fonts": dict(sorted(tally.fonts.items())),
            "font_sizes": dict(sorted(tally.font_sizes.items(), key=lambda pair: int(pair[0]))),
            "page": dict(page),
            "fingerprint": self.fingerprint,
        }
