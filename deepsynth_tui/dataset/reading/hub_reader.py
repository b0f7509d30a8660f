"""Documents from the Hugging Face Hub, through `datasets`, which is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.reader import TEXT, SourceRow, at_most

# What `datasets`, or Python where a dataset declares no columns, calls text.
STRINGS = ("string", "large_string", "str")


class HubReader:
    """One split of a Hub dataset, as it arrives; from the local cache where the Hub is off, or
    without `streaming`, which first loads all of it."""

    def __init__(
        self, name: str, *, config: str | None, split: str, streaming: bool = True
    ) -> None:
        """Ask the Hub what there is. Raises `SourceError` and `ColumnError`."""
        self.name = name
        self._dataset = _load(name, config, split, streaming=streaming)
        features = self._dataset.features
        if features is None:
            first: Mapping[str, Any] = next(iter(self._dataset.take(1)), {})
            kinds = {column: type(value).__name__ for column, value in first.items()}
        else:
            kinds = {
                column: str(getattr(feature, "dtype", type(feature).__name__))
                for column, feature in features.items()
            }
        self.kinds: Mapping[str, str] = {
            column: TEXT if kind in STRINGS else kind for column, kind in kinds.items()
        }
        self.columns: tuple[str, ...] = tuple(
            column for column, kind in self.kinds.items() if kind == TEXT
        )
        if not self.columns:
            raise ColumnError(
                f"{name} has no column of text",
                f"Its columns: {', '.join(self.kinds)}.",
                "source.path",
            )

    def records(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows, with the values of `columns` alone. Raises `SourceError`."""
        row = 0
        rows = iter(self._dataset.select_columns(list(columns)))
        while True:
            try:
                values = next(rows)
            except StopIteration:
                return
            except OSError as error:
                # The errors of the Hub and of the network are all of this class.
                raise SourceError(
                    f"{self.name}: reading ended after row {row}: {error}",
                    "Try again, with --resume if shards are finished; with source.streaming off, "
                    "all of it is loaded before anything is drawn.",
                    "source.path",
                ) from error
            row += 1
            yield SourceRow(f"{self.name}:{row}", values)

    def count(self, limit: int | None) -> int | None:
        """Return the number of rows, at most `limit`, where the dataset says it."""
        splits = self._dataset.info.splits or {}
        split = splits.get(str(self._dataset.split))
        return at_most(limit, split.num_examples) if split and split.num_examples else None


def _load(name: str, config: str | None, split: str, *, streaming: bool) -> Any:
    import datasets
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import constants

    streaming = streaming and not constants.HF_HUB_OFFLINE
    try:
        return datasets.load_dataset(name, config, split=split, streaming=streaming)
    except DatasetNotFoundError as error:
        raise SourceError(
            f"{name!r} is no file here and no dataset on the Hub (or one that you may not see)",
            "Check the spelling; for a private or gated one, log in with: hf auth login",
            "source.path",
        ) from error
    except ConnectionError as error:
        raise SourceError(
            f"{name!r} is no file here, and the Hub cannot be reached",
            "Give the path of a local file, or try again with a network.",
            "source.path",
        ) from error
    except ValueError as error:
        # `datasets` says these in so many words, with what there is instead.
        reason = str(error).splitlines()[0]
        key = {
            "Bad": "source.split",
            "Unk": "source.split",
            "Bui": "source.config",
            "Con": "source.config",
        }
        raise SourceError(
            f"{name}: {reason}",
            "Choose one of those that exist.",
            key.get(reason[:3], "source.path"),
        ) from error
