"""JSON and image files for the fine-tuning code of Qwen-VL (qwen-vl-finetune/README.md).

    train.json             [{"image": "images/train/...", "conversations": [{"from", "value"}]}]
    images/train/*.png

`image` is a path, or a list of several; `<image>` in a value stands for the next of them. Its
`annotation_path` is the JSON file and its `data_path` this folder.
"""

from __future__ import annotations

import json
from pathlib import Path

from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.export.image_files import row_stem, write_images
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import (
    DoesNotFit,
    read_images,
    system_and_turns,
    text_with_placeholders,
)

SPEAKERS = {"user": "human", "assistant": "gpt"}


class QwenWriter:
    """Writes one split."""

    def __init__(self, to: Destination, report: ExportReport) -> None:
        self._folder = to.folder
        self._split = to.split
        self._file = (to.folder / f"{to.split}.json").open("w", encoding="utf-8")
        self._file.write("[")
        self._rows = 0

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`."""
        system, _ = system_and_turns(conversation)
        if system:
            # Qwen's code reads every speaker but `human` as the assistant.
            raise DoesNotFit("Qwen's format has no system prompt")
        turns = [
            {"from": SPEAKERS[message["role"]], "value": text_with_placeholders(message)}
            for message in conversation.messages
        ]
        images = read_images(conversation)
        place = Path("images") / self._split
        names = write_images(self._folder / place, row_stem(self._rows), images)
        paths = [(place / name).as_posix() for name in names]
        row = {
            **({"image": paths[0] if len(paths) == 1 else paths} if paths else {}),
            "conversations": turns,
            **conversation.boxes,
        }
        self._file.write(",\n" if self._rows else "\n")
        self._file.write(json.dumps(row, ensure_ascii=False))
        self._rows += 1

    def close(self) -> None:
        """Finish the file of the split."""
        self._file.write("\n]\n")
        self._file.close()
        if not self._rows:
            Path(self._file.name).unlink()
