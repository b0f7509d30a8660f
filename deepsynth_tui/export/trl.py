"""Parquet files for TRL (docs/source/dataset_formats.md): conversations with images.

    data/train-00000-of-00001.parquet

The conversational format has the columns `images` and `messages`; prompt-completion has `images`,
`prompt` and `completion`, of which TRL learns the completion. There a conversation with several
answers becomes one row for each, with the turns before it in the prompt, so that all are learned.
Boxes are further columns of both, if the first row has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deepsynth_tui.conversations.conversation import Conversation, Message
from deepsynth_tui.export.image_files import row_stem
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import DoesNotFit, read_images

# A row group is written at this many rows or image bytes, and a file ends at this many.
ROW_GROUP_ROWS = 100
ROW_GROUP_BYTES = 32 << 20
SHARD_BYTES = 512 << 20

IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
CONTENT = pa.struct([("type", pa.string()), ("text", pa.string())])
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(CONTENT))]))
STRING = {"dtype": "string", "_type": "Value"}
IMAGES_FEATURE = [{"_type": "Image"}]
MESSAGES_FEATURE = [{"role": STRING, "content": [{"type": STRING, "text": STRING}]}]
BOXES = pa.list_(pa.list_(pa.struct([("text", pa.string()), ("bbox", pa.list_(pa.int32()))])))
BOXES_FEATURE = [[{"text": STRING, "bbox": [{"dtype": "int32", "_type": "Value"}]}]]
SEVERAL_ANSWERS = "several answers, each of which became a row with the turns before it"


class ConversationalWriter:
    """Writes one split with the columns `images` and `messages`."""

    columns: Sequence[str] = ("messages",)

    def __init__(self, to: Destination, report: ExportReport) -> None:
        self._folder = to.folder / "data"
        self._folder.mkdir(exist_ok=True)
        self._split = to.split
        self._report = report
        self._schema: pa.Schema | None = None
        self._shards: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._buffer: list[dict[str, Any]] = []
        self._buffer_bytes = self._shard_bytes = 0

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`."""
        images = read_images(conversation)
        if self._schema is None:
            self._schema = _schema(self.columns, list(conversation.boxes))
        for columns in self._columns_of(conversation):
            stem = row_stem(self._rows)
            self._add(
                {
                    "images": [
                        {"bytes": data, "path": f"{stem}-{number}{suffix}"}
                        for number, (data, suffix) in enumerate(images, start=1)
                    ],
                    **columns,
                    **conversation.boxes,
                }
            )
            self._rows += 1

    def close(self) -> None:
        """Finish the last file, and give all files of the split their names."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        for number, path in enumerate(self._shards):
            name = f"{self._split}-{number:05d}-of-{len(self._shards):05d}.parquet"
            path.rename(self._folder / name)

    def _columns_of(self, conversation: Conversation) -> Iterator[Mapping[str, Any]]:
        """Yield the columns other than `images` of each row of `conversation`."""
        yield {"messages": _stored(conversation.messages)}

    def _add(self, row: dict[str, Any]) -> None:
        self._buffer.append(row)
        self._buffer_bytes += sum(len(image["bytes"]) for image in row["images"])
        if len(self._buffer) >= ROW_GROUP_ROWS or self._buffer_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._buffer or self._schema is None:
            return
        if self._writer is not None and self._shard_bytes > SHARD_BYTES:
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._shards.append(self._folder / f".{self._split}-{len(self._shards):05d}.parquet")
            self._shard_bytes = 0
            self._writer = pq.ParquetWriter(self._shards[-1], self._schema, compression="zstd")
        table = pa.Table.from_pylist(self._buffer, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(self._buffer))
        self._shard_bytes += self._buffer_bytes
        self._buffer, self._buffer_bytes = [], 0


class PromptCompletionWriter(ConversationalWriter):
    """Writes one split with the columns `images`, `prompt` and `completion`."""

    columns = ("prompt", "completion")

    def _columns_of(self, conversation: Conversation) -> Iterator[Mapping[str, Any]]:
        messages = _stored(conversation.messages)
        answers = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
        if not answers or answers[0] == 0:
            raise DoesNotFit("the conversation has no answer to a question")
        images_before_answer = sum(
            part["type"] == "image"
            for message in messages[: answers[0]]
            for part in message["content"]
        )
        if len(answers) > 1 and images_before_answer < len(conversation.images):
            raise DoesNotFit("images come after the first of several answers")
        if len(answers) > 1:
            self._report.changes[SEVERAL_ANSWERS] += 1
        for at in answers:
            yield {"prompt": messages[:at], "completion": messages[at : at + 1]}


def _schema(columns: Sequence[str], boxes: Sequence[str]) -> pa.Schema:
    """Return the schema of rows with these columns of messages and of boxes."""
    features = {"images": IMAGES_FEATURE} | dict.fromkeys(columns, MESSAGES_FEATURE)
    features |= dict.fromkeys(boxes, BOXES_FEATURE)
    fields = [("images", IMAGES), *((name, MESSAGES) for name in columns)]
    fields += [(name, BOXES) for name in boxes]
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def _stored(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return `messages` with the same keys in all parts, as Parquet stores them."""
    return [
        {
            "role": message["role"],
            "content": [
                {"type": part["type"], "text": part.get("text")} for part in message["content"]
            ],
        }
        for message in messages
    ]
