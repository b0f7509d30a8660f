"""What a dataset run may change and still continue from the shards it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.fields import as_text, fields_by_key
from deepsynth_tui.config.leaves import leaves


def settings_in_shards(config: DatasetConfig) -> dict[str, Any]:
    """Return the settings that determine the content of the shards, as JSON types by dotted key."""
    fields = fields_by_key(DatasetConfig)
    settings = leaves(config.model_dump(mode="json"), fields=fields)
    return {
        key: value for key, value in settings if key in fields and fields[key].on_resume != "free"
    }


def incompatible_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line `key: old -> new` for each change that makes the present shards unusable.

    Both arguments are results of `settings_in_shards`. `before` may come from another version.
    """
    fields = fields_by_key(DatasetConfig)
    return [
        f"{key}: {_value_text(before, key)} -> {_value_text(after, key)}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
        and not (key in fields and _stopped_the_run(fields[key].resume_from, before.get(key)))
    ]


def _stopped_the_run(resume_from: str | None, value: Any) -> bool:
    return resume_from is not None and value == resume_from


def _value_text(settings: Mapping[str, Any], key: str) -> str:
    return as_text(settings[key]) or "none" if key in settings else "unknown"
