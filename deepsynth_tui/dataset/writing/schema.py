"""The Parquet schema of a dataset, which `datasets`, TRL and LLaMA-Factory read as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.draw_document import DrawnDocument
from deepsynth_tui.dataset.drawing.text_boxes import TextBoxes
from deepsynth_tui.dataset.reading.questions import QuestionAnswer
from deepsynth_tui.dataset.rows import DrawnRow
from deepsynth_tui.dataset.writing.arrow_columns import column, list_column, struct_column
from deepsynth_tui.image_format import image_suffix

NEUTRAL_PROMPT = "Transcribe this document."
"""The question in `messages` if there is no instruction."""

DIGEST_DIGITS = 32
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CONTENT = pa.struct([("type", pa.string()), ("text", pa.string())])
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.list_(CONTENT))])
TEXT_BOX = pa.struct([("text", pa.string()), ("bbox", pa.list_(pa.int32()))])
"""A line or word and the box of its ink on the page: left, top, right, bottom in pixels."""

SCHEMA = pa.schema(
    [
        ("images", pa.list_(IMAGE)),
        ("messages", pa.list_(MESSAGE)),
        ("text", pa.string()),
        ("instruction", pa.string()),
        ("prompted_text", pa.string()),
        ("target", pa.string()),
        ("source_id", pa.string()),
        ("source_hash", pa.string()),
        ("pages", pa.int32()),
        ("first_page", pa.int32()),
    ]
)
"""The columns of every dataset, without what `datasets` has to know of them."""
BOXES = pa.list_(pa.list_(TEXT_BOX))
"""The type of a column with the lines or words of each page."""
BOX_COLUMNS = {"none": (), "lines": ("lines",), "words": ("lines", "words")}

STRING = {"dtype": "string", "_type": "Value"}
INTEGER = {"dtype": "int32", "_type": "Value"}
# Features as `datasets` stores them; every release reads a list written as a JSON list.
FEATURES = {
    "images": [{"_type": "Image"}],
    "messages": [{"role": STRING, "content": [{"type": STRING, "text": STRING}]}],
    **{field.name: STRING for field in SCHEMA if field.type == pa.string()},
    **{field.name: INTEGER for field in SCHEMA if field.type == pa.int32()},
}
BOX_FEATURE = [[{"text": STRING, "bbox": [INTEGER]}]]


def schema_of(config: DatasetConfig) -> pa.Schema:
    """Return the schema of the dataset of `config`."""
    boxes = BOX_COLUMNS[config.page.boxes]
    features = FEATURES | dict.fromkeys(boxes, BOX_FEATURE)
    fields = [*SCHEMA, *(pa.field(name, BOXES) for name in boxes)]
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def to_row(drawn: DrawnDocument, row: DrawnRow, system_prompt: str | None = None) -> dict[str, Any]:
    """Return a row of a drawn document, a mapping that fits `schema_of` its configuration."""
    document = drawn.document
    pages = [page.image for page in row.pages]
    name = f"{document.source_hash[:16]}-{{}}{{}}".format
    return {
        "images": [
            {"bytes": data, "path": name(page, image_suffix(data))}
            for page, data in enumerate(pages, start=row.first_page)
        ],
        "messages": messages(
            pages=len(pages),
            turns=document.questions or [(document.instruction or NEUTRAL_PROMPT, row.target)],
            system_prompt=system_prompt,
        ),
        "text": row.text,
        "instruction": document.instruction,
        "prompted_text": row.prompted_text,
        "target": row.target,
        "source_id": document.source_id,
        "source_hash": document.source_hash,
        "pages": len(pages),
        "first_page": row.first_page,
        "lines": [page.lines for page in row.pages],
        "words": [page.words for page in row.pages],
    }


def messages(
    *, pages: int, turns: Sequence[QuestionAnswer], system_prompt: str | None = None
) -> list[dict[str, Any]]:
    """Return a conversation in TRL's format.

    An image entry for each page precedes the first question. The system prompt, if there is one,
    is a message of its own before that.
    """
    conversation = []
    if system_prompt:
        conversation.append({"role": "system", "content": [_text(system_prompt)]})
    images = [{"type": "image", "text": None}] * pages
    for question, answer in turns:
        conversation.append({"role": "user", "content": [*images, _text(question)]})
        conversation.append({"role": "assistant", "content": [_text(answer)]})
        images = []
    return conversation


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def content_digest(row: dict[str, Any]) -> str:
    """Return the first `DIGEST_DIGITS` hexadecimal digits of a SHA-256 of everything in the row."""
    digest = hashlib.sha256()
    for part in _content(row):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:DIGEST_DIGITS]


def _content(row: dict[str, Any]) -> Iterator[bytes]:
    for name in ("source_id", "instruction", "text", "target"):
        yield row[name].encode()
    for image in row["images"]:
        yield image["bytes"]
    if len(row["messages"]) > 2:  # else they hold the instruction and the target, as above
        for message in row["messages"]:
            yield message["role"].encode()
            for part in message["content"]:
                yield (part["text"] or part["type"]).encode()
    for boxes in (*row["lines"], *row["words"]):
        if boxes is not None:
            yield "\n".join(boxes.texts).encode()
            yield boxes.boxes.tobytes()


def to_table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return `rows` as an Arrow table."""
    columns = [_column([row[field.name] for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: Sequence[Any], arrow_type: pa.DataType) -> pa.Array:
    return _box_column(values) if arrow_type == BOXES else column(values, arrow_type)


def _box_column(rows: Sequence[Sequence[TextBoxes]]) -> pa.Array:
    """Return the boxes on the pages of each row as a column of type `BOXES`."""
    pages = [page for row in rows for page in row]
    texts = column([text for page in pages for text in page.texts], pa.string())
    corners = column(np.concatenate([page.boxes.ravel() for page in pages]), pa.int32())
    boxes = struct_column([texts, list_column([4] * len(texts), corners)], TEXT_BOX)
    return list_column(
        [len(row) for row in rows], list_column([len(page.texts) for page in pages], boxes)
    )
