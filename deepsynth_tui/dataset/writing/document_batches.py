"""Assign documents to splits, and group those of each split into batches.

A batch becomes one shard. Which documents it holds depends only on the source and the settings, so
a resumed run builds the same batches again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from deepsynth_tui.dataset.reading.sources import Document

TRAIN = "train"
TEST = "test"
"""The name that `Dataset.train_test_split` and TRL give the held-out rows."""
SPLITS = (TRAIN, TEST)
MAX_BATCH_CHARACTERS = 16 << 20
"""A batch of long documents ends here, to bound the memory a worker needs for texts."""
DIGEST_BYTES = 8
"""Enough to notice that a document has changed."""
CONTENT_DIGEST_BYTES = 16
"""Enough to find duplicates without a collision."""
_YIELD_SECONDS = 0.05
"""Seconds of reading after which `batch_documents` yields None."""


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """The documents of one shard; `number` counts from 0 within the split.

    `duplicates` holds the positions of documents whose text and target occurred before, in any
    batch. `digests` is the concatenation of a hexadecimal digest of each document.
    """

    split: str
    number: int
    documents: tuple[Document, ...]
    duplicates: frozenset[int]
    digests: str

    @property
    def name(self) -> str:
        """Name of its shard until the dataset is complete."""
        return shard_name(self.split, self.number)


def shard_name(split: str, number: int) -> str:
    """Return the name of a shard until the dataset is complete."""
    return f"{split}-{number:05d}"


def content_hash(text: str) -> str:
    """Return the SHA-256 of a text as it is in the source: the `source_hash` of its row."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def split_of(source_hash: str, eval_fraction: float) -> str:
    """Return the split of a document; it depends on the text and the fraction alone."""
    return TEST if int(source_hash[:16], 16) < eval_fraction * 2**64 else TRAIN


def batch_documents(
    documents: Iterable[Document], *, size: int, eval_fraction: float
) -> Iterator[DocumentBatch | None]:
    """Yield batches of at most `size` documents.

    Yields None every `_YIELD_SECONDS` while a batch fills, so that the caller can do other work.
    """
    builders = {split: _BatchBuilder(split) for split in SPLITS}
    seen_digests: set[bytes] = set()
    last_yield = time.monotonic()
    for document in documents:
        builder = builders[split_of(content_hash(document.text), eval_fraction)]
        digest = _digest(
            CONTENT_DIGEST_BYTES,
            document.text,
            document.target,
            document.columns,
            document.questions,
        )
        builder.add(document, duplicate=bool(document.text) and digest in seen_digests)
        seen_digests.add(digest)
        if len(builder.documents) == size or builder.characters >= MAX_BATCH_CHARACTERS:
            yield builder.build()
        elif time.monotonic() - last_yield > _YIELD_SECONDS:
            yield None
            last_yield = time.monotonic()
    yield from (builder.build() for builder in builders.values() if builder.documents)


def split_digests(digests: str) -> list[str]:
    """Return the digest of each document of a batch."""
    length = 2 * DIGEST_BYTES
    return [digests[start : start + length] for start in range(0, len(digests), length)]


@dataclass(slots=True)
class _BatchBuilder:
    """The batch that is filling in one split."""

    split: str
    number: int = 0
    characters: int = 0
    documents: list[Document] = field(default_factory=list)
    duplicates: set[int] = field(default_factory=set)

    def add(self, document: Document, *, duplicate: bool) -> None:
        if duplicate:
            self.duplicates.add(len(self.documents))
        self.documents.append(document)
        self.characters += len(document.text) + len(document.target or "")
        self.characters += sum(map(len, chain.from_iterable(document.questions or ())))

    def build(self) -> DocumentBatch:
        """Return the batch and start the next one."""
        # The whole document and whether it is a duplicate: both decide what the shard holds.
        digests = (
            _digest(DIGEST_BYTES, document, position in self.duplicates).hex()
            for position, document in enumerate(self.documents)
        )
        batch = DocumentBatch(
            self.split,
            self.number,
            tuple(self.documents),
            frozenset(self.duplicates),
            "".join(digests),
        )
        self.number += 1
        self.characters, self.documents, self.duplicates = 0, [], set()
        return batch


def _digest(size: int, *values: object) -> bytes:
    """Return a digest of `values` by their `repr`, which has to show all of their content."""
    return hashlib.blake2b(repr(values).encode(), digest_size=size).digest()
