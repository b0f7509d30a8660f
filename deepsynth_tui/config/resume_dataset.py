"""What a dataset run may change and still go on from the shards it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.dataset import DatasetConfig, FlawSettings
from deepsynth_tui.config.fields import as_text, fields_by_key

_LEAVES_SHARDS_AS_THEY_ARE = (
    "kind",
    "name",
    "num_proc",
    "engine",
    "source.streaming",
    "output.dir",
    "output.push_to_hub",
    "output.hub_repo_id",
    "output.hub_private",
)
_ENDED_THE_RUN = {"on_overflow": "error"} | {
    f"flaws.{name}": "stop" for name in FlawSettings.model_fields
}
"""Values that let no document into a shard that another value would treat otherwise."""


def settings_in_shards(config: DatasetConfig) -> dict[str, Any]:
    """Return the settings that decide what is in the shards, by dotted key, in JSON's types."""
    known = fields_by_key(DatasetConfig)
    settings = dict(yaml_text.leaves(config.model_dump(mode="json"), fields=known))
    return {key: value for key, value in settings.items() if key not in _LEAVES_SHARDS_AS_THEY_ARE}


def incompatible_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what keeps a run with the settings `after` from going on from shards made with
    `before`, both as `settings_in_shards` gives: a line `key: old -> new` for each difference."""
    return [
        f"{key}: {_shown(before, key)} -> {_shown(after, key)}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
        and (key not in _ENDED_THE_RUN or before.get(key) != _ENDED_THE_RUN[key])
    ]


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return as_text(settings[key]) or "none" if key in settings else "unknown"
