"""Tar archives of WebDataset: the files of a row follow each other and share a key.

    train-000000.tar       00000000.png, 00000000.json, 00000000.txt, 00000001.png, ...

`.json` has `messages` and `row_id`, `.txt` the answer if there is one question. The images of a row
with several are `00000000.0.png`, `00000000.1.png`, ...
"""

from __future__ import annotations

import io
import json
import tarfile

from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.export.image_files import row_stem
from deepsynth_tui.export.report import Destination, ExportReport
from deepsynth_tui.export.row_parts import DoesNotFit, only_turn, read_images

# A shard ends at this many bytes; WebDataset recommends 1 GB.
SHARD_BYTES = 1 << 30
MIXED = (
    "the files of the rows have different names (one image or several, PNG or JPEG), which "
    "`datasets` may refuse to load; the library webdataset loads them"
)


class WebDatasetWriter:
    """Writes one split."""

    def __init__(self, to: Destination, report: ExportReport) -> None:
        self._folder = to.folder
        self._split = to.split
        self._report = report
        self._rows = self._shards = 0
        self._fields: tuple[str, ...] | None = None
        self._tar = self._open_shard()

    def write(self, conversation: Conversation) -> None:
        """Write a row. Raises `DoesNotFit`."""
        images = read_images(conversation)
        files = {
            suffix if len(images) == 1 else f".{number}{suffix}": data
            for number, (data, suffix) in enumerate(images)
        }
        content = {
            "row_id": conversation.row_id,
            "messages": conversation.messages,
            **conversation.boxes,
        }
        files[".json"] = json.dumps(content, ensure_ascii=False).encode()
        try:
            _, turn = only_turn(conversation)
        except DoesNotFit:
            pass  # the conversation is in .json
        else:
            files[".txt"] = turn.answer.encode()
        if self._fields is not None and self._fields != tuple(files):
            self._report.changes[MIXED] += 1
        self._fields = self._fields or tuple(files)
        if self._tar.offset > SHARD_BYTES:
            self._tar.close()
            self._tar = self._open_shard()
        for suffix, data in files.items():
            # Nothing of this machine, such as times, so that equal rows give equal archives.
            entry = tarfile.TarInfo(row_stem(self._rows) + suffix)
            entry.size = len(data)
            self._tar.addfile(entry, io.BytesIO(data))
        self._rows += 1

    def close(self) -> None:
        """Finish the last archive."""
        self._tar.close()
        if not self._rows:
            self._path.unlink()

    def _open_shard(self) -> tarfile.TarFile:
        self._path = self._folder / f"{self._split}-{self._shards:06d}.tar"
        self._shards += 1
        return tarfile.open(self._path, "w", format=tarfile.PAX_FORMAT)
