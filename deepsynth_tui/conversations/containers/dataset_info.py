"""`dataset_info.json` of LLaMA-Factory: which file has which columns and roles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.turns import Tags

FILE = "dataset_info.json"
# Columns of `formatting: alpaca` and `sharegpt` -> the names under which layouts look for them.
ALPACA_COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "history",
    "system": "system",
    "images": "images",
}
SHAREGPT_COLUMNS = {"messages": "conversations", "system": "system", "images": "images"}
OTHER_COLUMNS = ("videos", "audios", "tools", "chosen", "rejected", "kto_tag")


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """An entry of the file.

    Attributes:
        name: Its name.
        file: The file with the rows, or a folder of such files.
        renamed: The usual name of a column by its name in the file.
        tags: Keys and roles of turns, None for `formatting: alpaca`.
    """

    name: str
    file: Path
    renamed: Mapping[str, str]
    tags: Tags | None = None


def read_entries(path: Path) -> dict[str, DatasetEntry]:
    """Return the entries with a local file by name.

    Raises:
        DatasetError: the file is not what LLaMA-Factory documents.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as JSON: {error}", "", "data.path") from error
    if not isinstance(values, dict):
        raise DatasetError(f"{path} is not an object of datasets by name", "", "data.path")
    return {
        name: _entry(path, name, entry)
        for name, entry in values.items()
        if isinstance(entry, dict) and isinstance(entry.get("file_name"), str)
    }


def is_dataset_info(path: Path) -> bool:
    """Return whether a file is LLaMA-Factory's: `datasets` has one of that name, too."""
    if path.name != FILE or not path.is_file():
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    keys = {"file_name", "hf_hub_url", "ms_hub_url", "script_url", "cloud_file_name"}
    return isinstance(values, dict) and any(
        isinstance(entry, dict) and not keys.isdisjoint(entry) for entry in values.values()
    )


def _entry(path: Path, name: str, entry: Mapping[str, Any]) -> DatasetEntry:
    if entry.get("ranking"):
        raise DatasetError(
            f"{path}: {name} is a dataset of preferences (ranking: true), which this program does "
            "not train on",
            "Choose another dataset with data.config.",
            "data.path",
        )
    formatting = entry.get("formatting", "alpaca")
    columns = entry.get("columns") or {}
    file = path.parent / entry["file_name"]
    if formatting == "alpaca":
        usual = ALPACA_COLUMNS
        tags = None
    elif formatting in ("sharegpt", "openai"):
        usual = SHAREGPT_COLUMNS
        default = {"role_tag": "from", "content_tag": "value"}
        if formatting == "openai":
            default = {"role_tag": "role", "content_tag": "content"}
        tags = _tags({**default, **(entry.get("tags") or {})})
    else:
        raise DatasetError(
            f"{path}: {name} has the formatting {formatting!r}",
            "Known are alpaca, sharegpt and openai.",
            "data.path",
        )
    unknown = [key for key in columns if key not in usual and key not in OTHER_COLUMNS]
    if unknown:
        raise DatasetError(
            f"{path}: {name} names columns for {', '.join(unknown)}",
            f"With formatting {formatting}, columns are {', '.join(usual)}.",
            "data.path",
        )
    if tags is not None and "messages" not in columns:
        columns = {"messages": "conversations", **columns}
    renamed = {column: usual[key] for key, column in columns.items() if key in usual}
    return DatasetEntry(name, file, renamed, tags)


def _tags(tags: Mapping[str, str]) -> Tags:
    roles = {
        tags[tag]: role
        for tag, role in (
            ("user_tag", "user"),
            ("assistant_tag", "assistant"),
            ("system_tag", "system"),
            ("observation_tag", "observation"),
            ("function_tag", "function_call"),
        )
        if tag in tags
    }
    supported = {
        name: role for name, role in roles.items() if role in ("user", "assistant", "system")
    }
    return Tags(tags["role_tag"], tags["content_tag"], supported or None)
