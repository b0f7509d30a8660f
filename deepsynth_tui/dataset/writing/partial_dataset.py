"""The folder of a dataset in progress, `<name>.partial`, from its first shard to its final name.

    <name>.partial/manifest.json           the settings; written first
    <name>.partial/.shards/train-00000.parquet, .json   a finished shard and its metadata
    <name>.partial/data/, report.json ...  written last, when all shards are finished

After every step another process can continue, or repeat the step with the same result.
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
from deepsynth_tui.dataset.writing.document_batches import SPLITS, DocumentBatch, split_digests
from deepsynth_tui.dataset.writing.manifest import Manifest
from deepsynth_tui.dataset.writing.shards import Shard, metadata_file, shard_file

SHARDS = ".shards"
DATA = "data"


def partial_folder(folder: Path) -> Path:
    """Return the folder of the dataset `folder` until it is complete."""
    return folder.with_name(f"{folder.name}.partial")


def is_complete(folder: Path, manifest: Manifest) -> bool:
    """Return whether `folder` is the complete dataset that `manifest` describes.

    Raises:
        OutputError: the folder exists and is anything else.
    """
    if not folder.exists():
        return False
    existing = Manifest.read(folder)
    if existing is None:
        raise OutputError(
            f"{folder} already exists", "Choose another output.dir, or remove it.", "output.dir"
        )
    if changes := incompatible_changes(existing.settings, manifest.settings):
        raise OutputError(
            f"{folder} already exists, with different settings:\n" + "\n".join(changes),
            "Choose another output.dir, or remove it.",
            "output.dir",
        )
    _remove(folder / SHARDS)
    return True


@dataclass(frozen=True, slots=True)
class PartialDataset:
    """A dataset that is not complete.

    `kept` are the names of the shards that an earlier run finished, made from `kept_documents`
    documents.
    """

    folder: Path
    partial: Path
    manifest: Manifest
    kept: frozenset[str]
    kept_documents: int

    @classmethod
    def open(cls, folder: Path, manifest: Manifest) -> PartialDataset:
        """Create the partial dataset of `folder`, or continue the one that is there.

        A shard is kept if its metadata exists and its file has the SHA-256 recorded there.

        Raises:
            SettingsChanged: it was begun with settings that lead to other shards.
            OutputError: its folder holds something else.
            OSError: the folder cannot be written.
        """
        partial = partial_folder(folder)
        existing = Manifest.read(partial)
        if existing is None:
            _check_unused(partial)
        elif changes := existing.incompatible_changes(manifest):
            raise SettingsChanged(
                f"{partial} was begun with different settings:\n" + "\n".join(changes),
                f"Change them back to continue, or remove {partial} to start over.",
            )
        (partial / SHARDS).mkdir(parents=True, exist_ok=True)
        manifest.write(partial)
        _undo_assemble(partial)
        kept = {shard.name: shard.tally.documents_read for shard in _intact(partial / SHARDS)}
        dataset = cls(folder, partial, manifest, frozenset(kept), sum(kept.values()))
        dataset.remove_temporary_files()
        return dataset

    @property
    def shards(self) -> Path:
        """Folder of the finished shards."""
        return self.partial / SHARDS

    def remove_temporary_files(self) -> None:
        """Remove the unfinished files of workers that were killed."""
        for path in self.shards.glob(".*"):
            path.unlink(missing_ok=True)

    def missing_batches(
        self, batches: Iterable[DocumentBatch | None]
    ) -> Iterator[DocumentBatch | None]:
        """Yield the batches whose shards are not finished, and None in place of the others.

        Batches are held back until all finished shards have been compared with the source, so that
        a dataset never mixes two versions of it.

        Raises:
            SourceChanged: the documents of a finished shard are not those in the source.
        """
        unchecked, held_back = set(self.kept), []
        for batch in batches:
            if batch is None:
                yield None
            elif batch.name in self.kept:
                self._check_unchanged(batch)
                unchecked.remove(batch.name)
                yield None
            elif unchecked:
                held_back.append(batch)
            else:
                yield from held_back
                held_back.clear()
                yield batch
        if unchecked:
            raise SourceChanged(
                "the source has fewer documents than when this dataset was begun: shard "
                f"{min(unchecked)} would have none",
                "Restore the source to continue, or start over in another folder.",
                "source.path",
            )
        yield from held_back

    def _check_unchanged(self, batch: DocumentBatch) -> None:
        digests = self.read(batch.name).digests
        if digests != batch.digests:
            raise _source_changed(batch, split_digests(digests))

    def read(self, name: str) -> Shard:
        """Return the metadata of a finished shard."""
        return Shard.from_json(json.loads(metadata_file(self.shards, name).read_bytes()))

    def finished(self) -> Iterator[Shard]:
        """Yield the metadata of all finished shards, in the order of the dataset."""
        return _finished(self.shards)

    def files(self) -> Iterator[tuple[Shard, str]]:
        """Yield each finished shard that has rows, and the path of its file in the dataset."""
        return _files(self.shards)

    def assemble(self) -> None:
        """Move the files of all shards to their names and places in the dataset."""
        (self.partial / DATA).mkdir(exist_ok=True)
        for shard, path in self.files():
            shard_file(self.shards, shard.name).replace(self.partial / path)

    def finalize(self) -> None:
        """Rename the folder: from now on it is a complete dataset."""
        self.partial.replace(self.folder)
        _remove(self.folder / SHARDS)


def _files(shards: Path) -> Iterator[tuple[Shard, str]]:
    totals = Counter(shard.split for shard in _finished(shards) if shard.rows)
    counts: Counter[str] = Counter()
    for shard in _finished(shards):
        if shard.rows:
            number, total = counts[shard.split], totals[shard.split]
            yield shard, f"{DATA}/{shard.split}-{number:05d}-of-{total:05d}.parquet"
            counts[shard.split] += 1


def _check_unused(partial: Path) -> None:
    """Raise `OutputError` if a folder without a manifest holds any but hidden files.

    Hidden files alone are left by a run that was killed while it created the folder.
    """
    if partial.exists() and any(path.name[0] != "." for path in partial.iterdir()):
        raise OutputError(
            f"{partial} already exists and is not a partial dataset",
            "Choose another output.dir, or remove it.",
            "output.dir",
        )


def _undo_assemble(partial: Path) -> None:
    """Move shard files back that `assemble` has moved."""
    shards = partial / SHARDS
    if (partial / DATA).exists():
        for shard, path in _files(shards):
            if (partial / path).exists():
                (partial / path).replace(shard_file(shards, shard.name))
        shutil.rmtree(partial / DATA)


def _finished(folder: Path) -> Iterator[Shard]:
    """Yield the metadata of the finished shards, in the order of the dataset.

    The number in a name has at least five digits; longer names sort after shorter ones.
    """
    for split in SPLITS:
        paths = folder.glob(f"{split}-*.json")
        for path in sorted(paths, key=lambda path: (len(path.name), path.name)):
            yield Shard.from_json(json.loads(path.read_bytes()))


def _intact(folder: Path) -> Iterator[Shard]:
    """Yield the finished shards whose files are unchanged; remove the metadata of the others."""
    for shard in _finished(folder):
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


def _source_changed(batch: DocumentBatch, old_digests: list[str]) -> SourceChanged:
    new_digests = split_digests(batch.digests)
    documents = zip(batch.documents, old_digests, new_digests, strict=False)
    changed = next((document for document, old, new in documents if old != new), None)
    difference = (
        f"it had {len(old_digests)} documents, now there are {len(new_digests)}"
        if changed is None
        else f"document {changed.source_id} has changed or moved"
    )
    return SourceChanged(
        f"the source has changed since shard {batch.name} was written: {difference}",
        "Restore the source to continue, or start over in another folder.",
        "source.path",
    )
