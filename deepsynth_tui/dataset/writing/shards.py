"""Write one shard: a Parquet file with the documents of a batch, then its metadata."""

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
from deepsynth_tui.dataset.writing.schema import content_digest, schema_of, to_row
from deepsynth_tui.dataset.writing.tally import Tally
from deepsynth_tui.runs import atomic


@dataclass(frozen=True, slots=True)
class Shard:
    """The metadata of a finished shard, stored beside it as JSON. That it exists means: finished.

    Args:
        split: Name of its split.
        number: Position in the split.
        digests: Those of its `DocumentBatch`.
        rows: Number of rows. A shard whose documents were all dropped has no rows and no file.
        bytes: Size of the file.
        sha256: Hash of the file, or "".
        contents: The concatenation of a digest of each row.
        flawed: The documents with a flaw: how many of each flaw, the first `row` (None if dropped),
            and in `left_out` why it was dropped, with the `detail` of what could not be read.
        tally: Counts of its documents.
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
        """Name of the shard until the dataset is complete."""
        return shard_name(self.split, self.number)

    def to_json(self) -> dict[str, Any]:
        """Return all fields in JSON types."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. Raises KeyError or TypeError for other data."""
        return cls(**{**data, "tally": Tally.from_json(data["tally"])})


def shard_file(folder: Path, name: str) -> Path:
    """Return the Parquet file of a shard in `folder`."""
    return folder / f"{name}.parquet"


def metadata_file(folder: Path, name: str) -> Path:
    """Return the metadata file of a shard in `folder`."""
    return folder / f"{name}.json"


def write_shard(
    batch: DocumentBatch,
    config: DatasetConfig,
    folder: Path,
    on_document: Callable[[int], object],
) -> Shard:
    """Draw `batch` into a Parquet file in `folder`, write its metadata and return it.

    `on_document` is called after each document with the number of documents done. If the function
    raises, it leaves nothing in `folder`.

    Raises:
        DatasetError: a document cannot be drawn.
        FlawError: a document has a flaw that `config.flaws` does not allow.
        OSError: the file cannot be written.
    """
    tally = Tally()
    flawed: list[dict[str, Any]] = []
    contents: list[str] = []
    renderer = cached_renderer(config)
    with AtomicParquetWriter(shard_file(folder, batch.name), schema_of(config)) as file:
        for position, document in enumerate(batch.documents):
            drawn = draw_document(document, config, renderer)
            duplicate = position in batch.duplicates
            source_id, flaws, reason = _check_flaws(drawn, config.flaws, duplicate=duplicate)
            tally.add_flaws(source_id, flaws)
            if flaws or reason:
                row_number = None if reason else file.rows
                entry = {"source_id": source_id, "row": row_number, "left_out": reason, **flaws}
                if isinstance(drawn, Skipped) and drawn.detail:
                    entry["detail"] = drawn.detail
                flawed.append(entry)
            if isinstance(drawn, DrawnDocument):
                tally.missing.update(drawn.missing)
                tally.unreadable_characters.update(drawn.document.unreadable_characters)
                tally.normalized_characters.update(drawn.document.normalized_characters)
            if reason:
                tally.skipped[reason].add(source_id, 1)
            elif isinstance(drawn, DrawnDocument):
                tally.add_document(
                    source_id,
                    images=[len(row.pages) for row in drawn.rows],
                    lines=drawn.lines,
                    font_sizes=drawn.font_sizes,
                    fonts=drawn.fonts,
                )
                for drawn_row in drawn.rows:
                    row = to_row(drawn, drawn_row, config.system_prompt)
                    contents.append(content_digest(row))
                    file.write(row)
            on_document(position + 1)
    shard = Shard(
        split=batch.split,
        number=batch.number,
        digests=batch.digests,
        rows=file.rows,
        bytes=file.bytes,
        sha256=file.sha256,
        contents="".join(contents),
        flawed=flawed,
        tally=tally,
    )
    text = json.dumps(shard.to_json(), ensure_ascii=False)
    atomic.replace(metadata_file(folder, batch.name), text.encode(), durable=True)
    return shard


def _check_flaws(
    drawn: DrawnDocument | Skipped, policies: FlawSettings, *, duplicate: bool
) -> tuple[str, dict[str, int], str | None]:
    """Return the id of a document, its flaws with their counts, and why it is dropped (or None).

    Raises:
        FlawError: the policy for one of its flaws is `stop`.
    """
    duplicates = {"duplicates": 1} if duplicate else {}
    if isinstance(drawn, Skipped):
        check_skipped(drawn, policies)
        return drawn.source_id, duplicates, drawn.reason
    source_id = drawn.document.source_id
    flaws = {flaw: count for flaw, count in drawn.flaws.items() if count} | duplicates
    return source_id, flaws, reason_to_drop(source_id, flaws, policies, drawn.missing)
