"""The Parquet schema of a dataset, which `datasets`, TRL and LLaMA-Factory read as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from deepsynth_tui.dataset.draw_document import DrawnDocument
from deepsynth_tui.dataset.writing.arrow_columns import column

NEUTRAL_PROMPT = "Transcribe this document."
"""The question in `messages` if there is no instruction."""

DIGEST_DIGITS = 32
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CONTENT = pa.struct([("type", pa.string()), ("text", pa.string())])
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.list_(CONTENT))])
STRING = {"dtype": "string", "_type": "Value"}

# Features as `datasets` stores them; every release reads a list written as a JSON list.
FEATURES = {
    "images": [{"_type": "Image"}],
    "messages": [{"role": STRING, "content": [{"type": STRING, "text": STRING}]}],
    "text": STRING,
    "instruction": STRING,
    "prompted_text": STRING,
    "target": STRING,
    "source_id": STRING,
    "source_hash": STRING,
    "pages": {"dtype": "int32", "_type": "Value"},
}
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
    ],
    metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
)


def to_row(drawn: DrawnDocument) -> dict[str, Any]:
    """Return the row of a drawn document, a mapping that fits `SCHEMA`."""
    document = drawn.document
    names = (f"{document.source_hash[:16]}-{page}.png" for page in range(1, len(drawn.pages) + 1))
    return {
        "images": [
            {"bytes": png, "path": name} for png, name in zip(drawn.pages, names, strict=True)
        ],
        "messages": messages(
            pages=len(drawn.pages), instruction=document.instruction, target=document.target
        ),
        "text": document.text,
        "instruction": document.instruction,
        "prompted_text": document.prompted_text,
        "target": document.target,
        "source_id": document.source_id,
        "source_hash": document.source_hash,
        "pages": len(drawn.pages),
    }


def messages(*, pages: int, instruction: str, target: str) -> list[dict[str, Any]]:
    """Return a conversation in TRL's format: an image entry for each page, the question, the
    answer.

    The question is the instruction, even if it is on the page too, or else `NEUTRAL_PROMPT`.
    """
    question = {"type": "text", "text": instruction or NEUTRAL_PROMPT}
    image = {"type": "image", "text": None}
    return [
        {"role": "user", "content": [*[image] * pages, question]},
        {"role": "assistant", "content": [{"type": "text", "text": target}]},
    ]


def content_digest(drawn: DrawnDocument) -> str:
    """Return the first `DIGEST_DIGITS` hexadecimal digits of a SHA-256 of everything in the row."""
    document = drawn.document
    digest = hashlib.sha256()
    texts = (document.source_id, document.instruction, document.text, document.target)
    for part in (*(text.encode() for text in texts), *drawn.pages):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:DIGEST_DIGITS]


def to_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return `rows` as an Arrow table."""
    columns = [column([row[field.name] for row in rows], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
