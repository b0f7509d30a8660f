"""Read datasets of the Hugging Face Hub with `datasets`, which is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.column_paths import longest_prefix
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow

# Names of string types in `datasets`, and in Python for a dataset without declared features.
STRING_TYPES = ("string", "large_string", "str")
# First letters of a ValueError of `load_dataset` -> the setting it is about: "Bad split",
# "Unknown split", "BuilderConfig ... not found", "Config name is missing".
KEY_BY_ERROR_START = {
    "Bad": "source.split",
    "Unk": "source.split",
    "Bui": "source.config",
    "Con": "source.config",
}


class HubReader(SourceReader):
    """Streams one split of a Hub dataset.

    Without `streaming`, or with the Hub in offline mode, the dataset is read from the local cache,
    after a full download if need be.
    """

    def __init__(
        self, name: str, *, config: str | None, split: str, streaming: bool = True
    ) -> None:
        """Open the dataset. Raises `SourceError` and `ColumnError`."""
        self.name = name
        self._dataset = _load(name, config, split, streaming=streaming)
        features = self._dataset.features
        if features is None:
            features = next(iter(self._dataset.take(1)), {})
        self._stored_columns = list(features)
        self.kinds = dict(_iter_kinds(features, "")) | dict(_iter_kinds(features, "", nested=False))
        self.columns = tuple(column for column, kind in self.kinds.items() if kind == TEXT)
        self.contents = (f"a dataset of the Hub, split {split}",)
        if not self.columns:
            raise ColumnError(
                f"{name} has no text column",
                f"Its columns: {', '.join(self.kinds)}.",
                "source.path",
            )

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows with the values of `columns` only. Raises `SourceError`."""
        from datasets.exceptions import DatasetsError

        number = 0
        stored = {longest_prefix(self._stored_columns, column) for column in columns}
        rows = iter(self._dataset.select_columns(sorted(filter(None, stored))))
        while True:
            try:
                values = next(rows)
            except StopIteration:
                return
            except (OSError, ValueError, DatasetsError) as error:
                # All errors of the Hub and the network derive from OSError; a file whose columns
                # are not those of the others is a ValueError.
                raise SourceError(
                    f"{self.name}: reading failed after row {number}: {error}",
                    "Try again, with --resume if some shards are finished. With source.streaming "
                    "off, the whole dataset is downloaded before anything is drawn.",
                    "source.path",
                ) from error
            number += 1
            yield SourceRow(f"{self.name}:{number}", values)

    def count(self) -> int | None:
        """Return the number of rows; None if the dataset does not declare it."""
        splits = self._dataset.info.splits or {}
        split = splits.get(str(self._dataset.split))
        return (split.num_examples or None) if split else None


def _iter_kinds(
    features: Mapping[str, Any], prefix: str, *, nested: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield the columns and paths with their types, from features or from the values of a row."""
    for name, feature in features.items():
        kind = str(getattr(feature, "dtype", type(feature).__name__))
        yield f"{prefix}{name}", TEXT if kind in STRING_TYPES or isinstance(feature, str) else kind
        if nested and isinstance(feature, Mapping):
            yield from _iter_kinds(feature, f"{prefix}{name}.")


def _load(name: str, config: str | None, split: str, *, streaming: bool) -> Any:
    import datasets
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import constants

    streaming = streaming and not constants.HF_HUB_OFFLINE
    try:
        return datasets.load_dataset(name, config, split=split, streaming=streaming)
    except DatasetNotFoundError as error:
        raise SourceError(
            f"{name!r} is neither a local file nor a Hub dataset that you have access to",
            "Check the spelling; for a private or gated dataset, log in with: hf auth login",
            "source.path",
        ) from error
    except ConnectionError as error:
        raise SourceError(
            f"{name!r} is not a local file, and the Hub cannot be reached",
            "Set the path of a local file, or try again with a network connection.",
            "source.path",
        ) from error
    except RuntimeError as error:
        raise SourceError(
            f"{name}: {str(error).splitlines()[0]}",
            "`datasets` runs no code of a repository: use a branch with Parquet files, such as "
            "refs/convert/parquet.",
            "source.path",
        ) from error
    except ValueError as error:
        # `datasets` describes these errors well, with the available names.
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"{name}: {reason}",
            "Choose one of the available names.",
            KEY_BY_ERROR_START.get(reason[:3], "source.path"),
        ) from error
