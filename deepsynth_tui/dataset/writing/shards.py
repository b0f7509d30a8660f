"""A group of documents to a shard: a Parquet file, and then a note that it is finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from deepsynth_tui.config.dataset import DatasetConfig, FlawSettings
from deepsynth_tui.dataset.draw_document import DrawnDocument, cached_renderer, draw_document
from deepsynth_tui.dataset.reading.compose import Skipped
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch, shard_name
from deepsynth_tui.dataset.writing.flaws import check_skipped, reason_to_drop
from deepsynth_tui.dataset.writing.parquet_writer import AtomicParquetWriter
from deepsynth_tui.dataset.writing.schema import content_digest, row
from deepsynth_tui.dataset.writing.tally import Tally
from deepsynth_tui.runs import atomic

Count = Callable[[int], object]
"""Told after each document how many of the group are done."""


@dataclass(frozen=True, slots=True)
class Shard:
    """What is known of a finished shard, kept beside it as JSON.

    `digests` are those of its group. A shard of which every document was left out has no rows, no
    file and no `sha256`. `contents` holds a digest of each row, one after the other; `flawed` says
    of each document with a flaw how many of each, in which `row` it is (None: in none), and why.
    """

    split: str
    number: int
    digests: str
    rows: int
    bytes: int
    sha256: str
    contents: str
    flawed: list[dict[str, Any]]
    tally: Tally

    @property
    def name(self) -> str:
        """What it is called while the dataset is made."""
        return shard_name(self.split, self.number)

    def to_json(self) -> dict[str, Any]:
        """Return everything in JSON's types."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return said | {"tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. Raises KeyError or TypeError on other data."""
        return cls(**{**said, "tally": Tally.from_json(said["tally"])})


def shard_file(folder: Path, name: str) -> Path:
    """Return where in `folder` the rows of a shard lie."""
    return folder / f"{name}.parquet"


def metadata_file(folder: Path, name: str) -> Path:
    """Return where in `folder` it is noted that a shard is finished."""
    return folder / f"{name}.json"


def write_shard(group: DocumentBatch, config: DatasetConfig, folder: Path, count: Count) -> Shard:
    """Draw `group` into a file in `folder`, note beside it that it is finished, return the note.

    Raises what drawing raises, `FlawError`, and OSError; nothing of it is then in `folder`.
    """
    tally = Tally()
    flawed: list[dict[str, Any]] = []
    contents: list[str] = []
    draws = cached_renderer(config)
    with AtomicParquetWriter(shard_file(folder, group.name)) as file:
        for position, document in enumerate(group.documents):
            drawn = draw_document(document, config, draws)
            repeated = position in group.repeated
            name, flaws, left_out = _judge(drawn, config.flaws, repeated=repeated)
            tally.flawed(name, flaws)
            if flaws or left_out:
                at = None if left_out else file.rows
                flawed.append({"source_id": name, "row": at, "left_out": left_out, **flaws})
            if isinstance(drawn, DrawnDocument):
                tally.missing.update(drawn.missing)
            if left_out:
                tally.skipped[left_out].add(name, 1)
            elif isinstance(drawn, DrawnDocument):
                tally.keep(
                    pages=len(drawn.pages),
                    lines=drawn.lines,
                    font_size=drawn.font_size,
                    fonts=drawn.fonts,
                )
                contents.append(content_digest(drawn))
                file.add(row(drawn))
            count(position + 1)
    shard = Shard(
        split=group.split,
        number=group.number,
        digests=group.digests,
        rows=file.rows,
        bytes=file.bytes,
        sha256=file.sha256,
        contents="".join(contents),
        flawed=flawed,
        tally=tally,
    )
    text = json.dumps(shard.to_json(), ensure_ascii=False)
    atomic.replace(metadata_file(folder, group.name), text.encode(), durable=True)
    return shard


def _judge(
    drawn: DrawnDocument | Skipped, policies: FlawSettings, *, repeated: bool
) -> tuple[str, dict[str, int], str | None]:
    """Return the id of a document, how many of each flaw it has, and why it is left out (None
    where it stays). Raises `FlawError`."""
    again = {"duplicates": 1} if repeated else {}
    if isinstance(drawn, Skipped):
        check_skipped(drawn, policies)
        return drawn.source_id, again, drawn.reason
    name = drawn.document.source_id
    flaws = {flaw: count for flaw, count in drawn.flaws.items() if count} | again
    return name, flaws, reason_to_drop(name, flaws, policies, drawn.missing)
