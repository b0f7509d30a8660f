"""JSONL and image files for LLaMA-Factory and ms-swift.

    train.jsonl            {"messages": [{"role", "content"}, ...], "images": ["images/train/..."]}
    images/train/*.png
    dataset_info.json      for LLaMA-Factory: `dataset_dir` is this folder, `dataset` the name of
                           the dataset, with the split after it if that is not train

`<image>` in a content stands for the next of `images`. LLaMA-Factory (data/README.md, "Multimodal
Image Dataset" with the tags of "OpenAI Format") finds relative paths in `media_dir`, by default
`dataset_dir`. ms-swift (Custom-dataset.md) reads the JSONL file alone, and finds relative paths in
the working directory or in the environment variable `ROOT_IMAGE_DIR`; it does not learn an answer
with `"loss": false`, while LLaMA-Factory learns all. Both ignore other keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.export.image_files import row_stem, write_images
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import (
    is_unlearned,
    read_images,
    system_and_turns,
    text_with_placeholders,
)

TRAIN = "train"
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


class ShareGptWriter:
    """Writes one split."""

    def __init__(self, to: Destination, report: ExportReport) -> None:
        self._folder = to.folder
        self._split = to.split
        self._name = to.dataset if to.split == TRAIN else f"{to.dataset}_{to.split}"
        self._file = (to.folder / f"{to.split}.jsonl").open("w", encoding="utf-8")
        self._rows = 0

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`."""
        system_and_turns(conversation)
        messages = [
            {"role": message["role"], "content": text_with_placeholders(message)}
            | ({"loss": False} if is_unlearned(message) else {})
            for message in conversation.messages
        ]
        images = read_images(conversation)
        place = Path("images") / self._split
        names = write_images(self._folder / place, row_stem(self._rows), images)
        row = {
            "messages": messages,
            "images": [(place / name).as_posix() for name in names],
            **conversation.boxes,
        }
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._rows += 1

    def close(self) -> None:
        """Finish the files of the split and add it to `dataset_info.json`."""
        self._file.close()
        if not self._rows:
            Path(self._file.name).unlink()
            return
        path = self._folder / "dataset_info.json"
        information: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        information[self._name] = {
            "file_name": f"{self._split}.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": TAGS,
        }
        text = json.dumps(information, ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
