"""A container: named splits that can be opened as rows."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import datasets.config
import pyarrow
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from datasets.exceptions import DatasetsError as LibraryError

from deepsynth_tui.conversations.containers.row_cache import cache_folder
from deepsynth_tui.conversations.containers.rows import ArrowRows, StoredRows
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.turns import Tags


class Container(ABC):
    """Rows in one or several splits.

    Attributes:
        kind: What it is, for a sentence.
        tags: Keys and roles of turns that it declares, None: as the rows have them.
        notices: What was chosen or left out on opening it.
    """

    kind: str
    tags: Tags | None = None
    notices: tuple[str, ...] = ()

    @abstractmethod
    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""

    @abstractmethod
    def open(self, split: str) -> StoredRows:
        """Return the rows of a split. Raises `DatasetError`."""


@dataclass(frozen=True)
class FileContainer(Container):
    """Files of one kind, by split; `read` opens those of a split."""

    kind: str
    files: Mapping[str, tuple[Path, ...]]
    read: Callable[[Sequence[Path]], StoredRows]
    tags: Tags | None = None
    notices: tuple[str, ...] = ()

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return tuple(self.files)

    def open(self, split: str) -> StoredRows:
        """Return the rows of a split. Raises `DatasetError`."""
        if split not in self.files:
            raise unknown_split(split, self.splits())
        return self.read(self.files[split])


@dataclass(frozen=True)
class SavedContainer(Container):
    """A folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote."""

    folder: Path
    kind: str = "save_to_disk"

    def splits(self) -> Sequence[str]:
        """Return the names of the splits; that of a single dataset is train."""
        saved = self._load()
        return tuple(map(str, saved)) if isinstance(saved, datasets.DatasetDict) else ("train",)

    def open(self, split: str) -> StoredRows:
        """Return the rows of a split. Raises `DatasetError`."""
        saved = self._load()
        if not isinstance(saved, datasets.DatasetDict):
            return ArrowRows.of(saved, self.folder)
        if split not in saved:
            raise unknown_split(split, tuple(map(str, saved)))
        return ArrowRows.of(saved[split], self.folder)

    def _load(self) -> datasets.Dataset | datasets.DatasetDict:
        try:
            return datasets.load_from_disk(str(self.folder))
        except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
            raise DatasetError(
                f"data.path: {self.folder} cannot be read: {_first_line(error)}",
                "Save the dataset again.",
                "data.path",
            ) from error


@dataclass(frozen=True)
class LibraryContainer(Container):
    """What `datasets.load_dataset` opens: a Hub id, or a folder with a dataset card."""

    path: str
    config: str | None
    folder: Path | None = None
    kind: str = "Hub dataset"

    def splits(self) -> Sequence[str]:
        """Return the names of the splits. Raises as `open`."""
        with library_errors(self.path):
            return datasets.get_dataset_split_names(self.path, self.config)

    def open(self, split: str) -> StoredRows:
        """Return the rows of a split.

        Raises:
            DatasetError: it cannot be read, or has no such split or configuration.
            ConnectionError: it is on the Hub, which cannot be reached.
        """
        files = (
            sorted(path for path in self.folder.rglob("*") if path.is_file())
            if (self.folder)
            else []
        )
        cache = str(cache_folder(files, "folder")) if self.folder else None
        return ArrowRows.of(
            load(self.path, self.path, name=self.config, split=split, cache_dir=cache), self.folder
        )


def read_parquet(files: Sequence[Path]) -> StoredRows:
    """Open Parquet files. Raises `DatasetError`."""
    cache = str(cache_folder(files, "parquet"))
    names = [str(path) for path in files]
    rows = load("parquet", names[0], data_files=names, split="train", cache_dir=cache)
    return ArrowRows.of(rows, files[0].parent)


def read_arrow(files: Sequence[Path]) -> StoredRows:
    """Open Arrow files. Raises `DatasetError`."""
    cache = str(cache_folder(files, "arrow"))
    names = [str(path) for path in files]
    rows = load("arrow", names[0], data_files=names, split="train", cache_dir=cache)
    return ArrowRows.of(rows, files[0].parent)


def load(path: str, shown: str, **options: Any) -> datasets.Dataset:
    """Call `datasets.load_dataset`. Raises as `library_errors`."""
    with library_errors(shown):
        return datasets.load_dataset(path, **options)


@contextlib.contextmanager
def library_errors(shown: str) -> Iterator[None]:
    """Raise errors of `datasets` that are about the dataset `shown` as `DatasetError`.

    Raises:
        DatasetError: in place of any error of the library that is about the dataset.
        ConnectionError: the Hub cannot be reached.
    """
    try:
        yield
    except ConnectionError:
        raise
    except (FileNotFoundError, DatasetNotFoundError) as error:
        raise DatasetError(
            f"data.path: {shown} is not a folder, not a run on this machine and not a dataset "
            f"that can be reached on the Hub ({_first_line(error)})",
            "Give a file, a folder, the id of a run, or a Hub id.",
            "data.path",
        ) from error
    except (LibraryError, DatasetGenerationError, pyarrow.ArrowException, OSError) as error:
        raise DatasetError(
            f"data.path: {shown} cannot be read: {_first_line(error.__cause__ or error)}",
            "Remove or repair the damaged file. For a Hub dataset of JSON files, download it with "
            "`hf download --repo-type dataset` and give the folder: any JSON is read there.",
            "data.path",
        ) from error
    except (ValueError, RuntimeError, TypeError, KeyError) as error:
        # `datasets` raises these for an unknown split or configuration.
        text = str(error)
        key = "data.config" if "onfig" in text.splitlines()[0] else "data.split"
        raise DatasetError(f"{key}: {text}", f"Set {key} to one of those.", key) from error


def unknown_split(split: str, splits: Sequence[str]) -> DatasetError:
    """Return the error for a split that a dataset does not have."""
    return DatasetError(
        f"data.split: there is no split {split!r}; the dataset has {', '.join(splits)}",
        "Set data.split to one of those.",
        "data.split",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
