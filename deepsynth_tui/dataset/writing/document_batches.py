"""Documents dealt to the two sides of a dataset, and on each side into groups.

A group becomes a shard. Which documents it holds follows from the source and the settings alone,
so that a run that goes on deals the same groups again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from deepsynth_tui.dataset.reading.sources import Document

TRAIN = "train"
TEST = "test"
"""The name that `Dataset.train_test_split` and TRL give rows that are held out."""
SPLITS = (TRAIN, TEST)
GROUP_CHARACTERS = 16 << 20
"""A group of long documents ends at so many: what a process holds of texts at most."""
DIGEST_BYTES = 8
"""Enough to see that a document is another one."""
CONTENT_BYTES = 16
"""Enough that no two contents among all documents of the world are taken for the same."""
_LOOK_UP = 0.05
"""Seconds of reading after which whoever deals is told that it goes on."""


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """The documents of one shard, `number` counting from 0 in its split.

    `repeated` are the positions of documents whose text and answer came before, in any group.
    `digests` holds a digest of each document, in hexadecimal, one after the other.
    """

    split: str
    number: int
    documents: tuple[Document, ...]
    repeated: frozenset[int]
    digests: str

    @property
    def name(self) -> str:
        """What its shard is called while the dataset is made."""
        return shard_name(self.split, self.number)


def shard_name(split: str, number: int) -> str:
    """Return what a shard is called while the dataset is made."""
    return f"{split}-{number:05d}"


def content_hash(text: str) -> str:
    """Return the SHA-256 of a text as its source has it: `source_hash` of its row."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def split_of(source_hash: str, eval_fraction: float) -> str:
    """Return the split of a document: always the same for the same text and fraction."""
    return TEST if int(source_hash[:16], 16) < eval_fraction * 2**64 else TRAIN


def batch_documents(
    documents: Iterable[Document], *, size: int, eval_fraction: float
) -> Iterator[DocumentBatch | None]:
    """Yield groups of at most `size` documents, and now and then None while one fills."""
    sides = {split: _Side(split) for split in SPLITS}
    seen: set[bytes] = set()
    looked = time.monotonic()
    for document in documents:
        side = sides[split_of(content_hash(document.text), eval_fraction)]
        content = _digest(CONTENT_BYTES, document.text, document.target, document.columns)
        side.add(document, repeated=bool(document.text) and content in seen)
        seen.add(content)
        if len(side.documents) == size or side.characters >= GROUP_CHARACTERS:
            yield side.take()
        elif time.monotonic() - looked > _LOOK_UP:
            yield None
            looked = time.monotonic()
    yield from (side.take() for side in sides.values() if side.documents)


def digests_of(digests: str) -> list[str]:
    """Return the digests of the single documents of a group."""
    step = 2 * DIGEST_BYTES
    return [digests[at : at + step] for at in range(0, len(digests), step)]


@dataclass(slots=True)
class _Side:
    """The group that is filling on one side."""

    split: str
    number: int = 0
    characters: int = 0
    documents: list[Document] = field(default_factory=list)
    repeated: set[int] = field(default_factory=set)

    def add(self, document: Document, *, repeated: bool) -> None:
        if repeated:
            self.repeated.add(len(self.documents))
        self.documents.append(document)
        self.characters += len(document.text) + len(document.target or "")

    def take(self) -> DocumentBatch:
        """Return the group, and begin the next."""
        # All of a document counts, and whether it came before: both decide what is in the shard.
        digests = (
            _digest(DIGEST_BYTES, document, position in self.repeated).hex()
            for position, document in enumerate(self.documents)
        )
        group = DocumentBatch(
            self.split,
            self.number,
            tuple(self.documents),
            frozenset(self.repeated),
            "".join(digests),
        )
        self.number, self.characters, self.documents, self.repeated = self.number + 1, 0, [], set()
        return group


def _digest(size: int, *of: object) -> bytes:
    """Return a digest of values whose `repr` says all there is of them."""
    return hashlib.blake2b(repr(of).encode(), digest_size=size).digest()
