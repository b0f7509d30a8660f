"""The interface of the workers that write shards, and the choice of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from deepsynth_tui.dataset.errors import EngineError

if TYPE_CHECKING:
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
    from deepsynth_tui.dataset.writing.shards import Shard


@dataclass(frozen=True, slots=True)
class LostShard:
    """A batch whose worker died before its shard was written; `reason` is for the user.

    `with_node` is whether the machine of the worker is gone too, which the batch hardly caused.
    """

    batch: DocumentBatch
    reason: str
    with_node: bool = False


class WorkerBackend(Protocol):
    """Writes shards, several at a time. Leaving the context abandons those in progress."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def free(self) -> int:
        """Number of batches that can be submitted now."""
        ...

    @property
    def running(self) -> int:
        """Number of submitted batches that `wait` has not returned yet."""
        ...

    def documents_done(self) -> int:
        """Return how many documents of the running batches are done."""
        ...

    def submit(self, batch: DocumentBatch) -> None:
        """Start writing the shard of `batch`; needs a `free` worker."""
        ...

    def wait(self, timeout: float) -> Sequence[Shard | LostShard]:
        """Wait up to `timeout` seconds for shards to be finished or lost, and return them.

        Raises whatever `write_shard` raises.
        """
        ...


def create_backend(
    config: DatasetConfig, folder: Path, on_document: Callable[[int], object]
) -> WorkerBackend:
    """Return the backend that writes the shards of `config` into `folder`.

    `on_document` is called by the inline backend after each document, with the number of
    documents of the shard that are done.

    Raises:
        EngineError: Ray is not installed.
    """
    # `preflight` imports this module without pyarrow, which every backend needs.
    if config.engine == "ray":
        check_ray()
        from deepsynth_tui.dataset.writing.ray_backend import RayBackend

        return RayBackend(config, folder)
    if config.num_proc > 1:
        from deepsynth_tui.dataset.writing.process_pool import ProcessPoolBackend

        return ProcessPoolBackend(config, folder)
    from deepsynth_tui.dataset.writing.inline_backend import InlineBackend

    return InlineBackend(config, folder, on_document)


def check_ray() -> None:
    """Raise `EngineError` if Ray is not installed, without importing it."""
    if find_spec("ray") is None:
        raise EngineError(
            "Ray is not installed",
            "Install it with: pip install 'deepsynth-tui[ray]', or set engine to local.",
            "engine",
        )
