"""A dataset on its way: the folder `<name>.partial`, its finished shards, and its last step.

    <name>.partial/manifest.json           the settings; written first
    <name>.partial/.shards/train-00000.parquet, .json   a shard and the note that it is finished
    <name>.partial/data/, report.json ...  at the end, when all shards are there

Every step leaves a state that another process can go on from, or do again with the same result.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.config.resume_dataset import incompatible_changes
from deepsynth_tui.dataset.errors import OutputError, SettingsChanged, SourceChanged
from deepsynth_tui.dataset.writing.document_batches import SPLITS, DocumentBatch, digests_of
from deepsynth_tui.dataset.writing.manifest import Manifest
from deepsynth_tui.dataset.writing.shards import Shard, metadata_file, shard_file

SHARDS = ".shards"
DATA = "data"


def partial_folder(folder: Path) -> Path:
    """Return where the dataset `folder` lies until it is whole."""
    return folder.with_name(f"{folder.name}.partial")


def is_complete(folder: Path, manifest: Manifest) -> bool:
    """Return whether `folder` is the dataset of `manifest`, complete.

    Raises `OutputError` where it is anything else.
    """
    if not folder.exists():
        return False
    found = Manifest.read(folder)
    if found is None:
        raise OutputError(
            f"{folder} exists already", "Choose another output.dir, or remove it.", "output.dir"
        )
    if changed := incompatible_changes(found.settings, manifest.settings):
        raise OutputError(
            f"{folder} exists already, made with other settings:\n" + "\n".join(changed),
            "Choose another output.dir, or remove it.",
            "output.dir",
        )
    _remove(folder / SHARDS)
    return True


@dataclass(frozen=True, slots=True)
class PartialDataset:
    """The folder of a dataset that is not whole. `kept` are the names of the shards that an
    earlier attempt finished, `kept_documents` how many documents they were made of."""

    folder: Path
    partial: Path
    manifest: Manifest
    kept: frozenset[str]
    kept_documents: int

    @classmethod
    def open(cls, folder: Path, manifest: Manifest) -> PartialDataset:
        """Begin a dataset, or go on with the one that is begun there.

        A shard is kept if its note is there and its file has the SHA-256 that the note says.
        Raises `SettingsChanged`, `OutputError` where something else is in the way, and OSError.
        """
        partial = partial_folder(folder)
        begun = Manifest.read(partial)
        if begun is None:
            _check_nothing_there(partial)
        elif changed := begun.incompatible_changes(manifest):
            raise SettingsChanged(
                f"{partial} was begun with other settings:\n" + "\n".join(changed),
                f"Set them back to go on, or remove {partial} to start anew.",
            )
        (partial / SHARDS).mkdir(parents=True, exist_ok=True)
        manifest.write(partial)
        _take_back(partial)
        kept = {shard.name: shard.tally.read for shard in _whole_shards(partial / SHARDS)}
        made = cls(folder, partial, manifest, frozenset(kept), sum(kept.values()))
        made.sweep()
        return made

    @property
    def shards(self) -> Path:
        """Where shards are written."""
        return self.partial / SHARDS

    def sweep(self) -> None:
        """Remove what processes that were killed had not finished."""
        for leftover in self.shards.glob(".*"):
            leftover.unlink(missing_ok=True)

    def lacking(self, groups: Iterable[DocumentBatch | None]) -> Iterator[DocumentBatch | None]:
        """Yield the groups whose shards are still to be made, and None while others go by.

        They are held back until the documents of every kept shard were seen again, so that no
        dataset is made of two sources. Raises `SourceChanged` where those are others.
        """
        unseen, held = set(self.kept), []
        for group in groups:
            if group is None:
                yield None
            elif group.name in self.kept:
                self._check_unchanged(group)
                unseen.remove(group.name)
                yield None
            elif unseen:
                held.append(group)
            else:
                yield from held
                held.clear()
                yield group
        if unseen:
            raise SourceChanged(
                "the source has fewer documents than when this dataset was begun: none is left "
                f"for shard {min(unseen)}",
                "Bring the source back to go on, or start anew in another folder.",
                "source.path",
            )
        yield from held

    def _check_unchanged(self, group: DocumentBatch) -> None:
        digests = self.read(group.name).digests
        if digests != group.digests:
            raise _changed(group, digests_of(digests))

    def read(self, name: str) -> Shard:
        """Return the note of a finished shard."""
        return Shard.from_json(json.loads(metadata_file(self.shards, name).read_bytes()))

    def finished(self) -> Iterator[Shard]:
        """Yield the notes of all finished shards, in the order of the dataset."""
        return _notes(self.shards)

    def placed(self) -> Iterator[tuple[Shard, str]]:
        """Yield each finished shard that has rows, with the path of its file in the dataset."""
        return _placed(self.shards)

    def assemble(self) -> None:
        """Give the files of all shards the names and the place they have in the dataset."""
        (self.partial / DATA).mkdir(exist_ok=True)
        for shard, path in self.placed():
            shard_file(self.shards, shard.name).replace(self.partial / path)

    def publish(self) -> None:
        """Give the folder its final name: from now on it is a whole dataset."""
        self.partial.replace(self.folder)
        _remove(self.folder / SHARDS)


def _placed(shards: Path) -> Iterator[tuple[Shard, str]]:
    totals = Counter(shard.split for shard in _notes(shards) if shard.rows)
    placed: Counter[str] = Counter()
    for shard in _notes(shards):
        if shard.rows:
            number, total = placed[shard.split], totals[shard.split]
            yield shard, f"{DATA}/{shard.split}-{number:05d}-of-{total:05d}.parquet"
            placed[shard.split] += 1


def _check_nothing_there(partial: Path) -> None:
    """Raise `OutputError` where a folder without manifest holds more than a dataset that was killed
    in its first moment."""
    if partial.exists() and any(path.name[0] != "." for path in partial.iterdir()):
        raise OutputError(
            f"{partial} is in the way, and is no dataset that is begun",
            "Choose another output.dir, or remove it.",
            "output.dir",
        )


def _take_back(partial: Path) -> None:
    """Undo `assemble`, as far as it came."""
    shards = partial / SHARDS
    if (partial / DATA).exists():
        for shard, path in _placed(shards):
            if (partial / path).exists():
                (partial / path).replace(shard_file(shards, shard.name))
        shutil.rmtree(partial / DATA)


def _notes(folder: Path) -> Iterator[Shard]:
    """Yield what is noted of finished shards, in the order of the dataset.

    A name holds a number of at least five digits; longer ones come later.
    """
    for split in SPLITS:
        paths = folder.glob(f"{split}-*.json")
        for path in sorted(paths, key=lambda path: (len(path.name), path.name)):
            yield Shard.from_json(json.loads(path.read_bytes()))


def _whole_shards(folder: Path) -> Iterator[Shard]:
    """Yield the finished shards whose files are what they were; forget the others."""
    for shard in _notes(folder):
        if not shard.rows or _sha256(shard_file(folder, shard.name)) == shard.sha256:
            yield shard
        else:
            metadata_file(folder, shard.name).unlink()


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _changed(group: DocumentBatch, before: list[str]) -> SourceChanged:
    now = digests_of(group.digests)
    pairs = zip(group.documents, before, now, strict=False)
    other = next((document for document, old, new in pairs if old != new), None)
    what = (
        f"it had {len(before)} documents, and there are {len(now)}"
        if other is None
        else f"document {other.source_id} is another one, or stood elsewhere"
    )
    return SourceChanged(
        f"the source is no longer what shard {group.name} was made of: {what}",
        "Bring the source back to go on, or start anew in another folder.",
        "source.path",
    )
