"""Image files with `metadata.jsonl`, which `datasets` loads as `imagefolder`.

    train/00000000.png
    train/metadata.jsonl   {"file_name": "00000000.png", "question": ..., "answer": ...}

If a row has several images, `file_names` takes the place of `file_name` in all rows of all splits,
and `datasets` names the column `images` instead of `image`. `system` is the system prompt, if any
row has one. The format has no place for several questions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.export.image_files import row_stem, write_images
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import DoesNotFit, only_turn, read_images

# The rows until all have been seen: only then it is known what the columns are.
DRAFT = ".metadata.jsonl"


class ImageFolderWriter:
    """Writes one split, but for the metadata, which `write_metadata` writes."""

    def __init__(self, to: Destination, report: ExportReport) -> None:
        self._folder = to.folder / to.split
        self._folder.mkdir()
        self._file = (self._folder / DRAFT).open("w", encoding="utf-8")
        self._rows = 0

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`."""
        system, turn = only_turn(conversation)
        images = read_images(conversation)
        if not images:
            raise DoesNotFit("the row has no image")
        row = {
            "file_names": write_images(self._folder, row_stem(self._rows), images),
            "system": system,
            "question": turn.question,
            "answer": turn.answer,
            **conversation.boxes,
        }
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._rows += 1

    def close(self) -> None:
        """Remove the folder of a split without rows."""
        self._file.close()
        if not self._rows:
            shutil.rmtree(self._folder)


def write_metadata(folder: Path) -> None:
    """Write `metadata.jsonl` of all splits in `folder`, with the same columns in each."""
    drafts = sorted(folder.glob(f"*/{DRAFT}"))
    has_several = has_system = False
    for row in _rows(drafts):
        has_several |= len(row["file_names"]) > 1
        has_system |= bool(row["system"])
    for draft in drafts:
        with draft.with_name("metadata.jsonl").open("w", encoding="utf-8") as metadata:
            for row in _rows([draft]):
                names = row.pop("file_names")
                system = row.pop("system")
                columns = {"file_names": names} if has_several else {"file_name": names[0]}
                columns |= {"system": system} if has_system else {}
                metadata.write(json.dumps(columns | row, ensure_ascii=False) + "\n")
        draft.unlink()


def _rows(drafts: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for draft in drafts:
        with draft.open(encoding="utf-8") as file:
            yield from map(json.loads, file)
