"""The settings of a run that tell it apart from others in a list: model, method, dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, without_date

MAX_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run trains or draws, as text; empty where its configuration does not say.

    `model` is the last part of its name or path, `method` is such as "r16 4-bit" or "full",
    `dataset` is the last part of the path of the data, or of the documents of a dataset run.
    `model_name` and `data_path` are as configured.
    """

    model: str = ""
    method: str = ""
    dataset: str = ""
    model_name: str = ""
    data_path: str = ""


def read_run_settings(run: RunDirectory) -> RunSettings:
    """Return the settings of a run; empty ones if its configuration cannot be read."""
    try:
        changed = run.config.stat().st_mtime_ns
    except OSError:
        return RunSettings()
    return _read(run.config, changed)


# The configuration of a run changes only when the run is extended or renamed.
@lru_cache(maxsize=4096)
def _read(config: Path, changed: int) -> RunSettings:
    # Deferred: the list of runs is shown before the settings are read.
    import yaml

    # libyaml, where PyYAML has it, parses a list of hundreds of runs ten times faster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with config.open("rb") as file:
            values = yaml.load(file.read(MAX_BYTES), Loader=loader)
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        return RunSettings()
    return settings_of(values) if isinstance(values, Mapping) else RunSettings()


def settings_of(values: Mapping[str, Any]) -> RunSettings:
    """Return the settings in the values of a configuration."""
    if values.get("kind") == "dataset" or "source" in values:
        source = _text(_section(values, "source").get("path"))
        return RunSettings(dataset=_last_part(source), data_path=source)
    model = _text(_section(values, "model").get("name_or_path"))
    data = _text(_section(values, "data").get("path"))
    return RunSettings(
        model=_last_part(model),
        method=_method(values),
        dataset=_last_part(data),
        model_name=model,
        data_path=data,
    )


def _method(values: Mapping[str, Any]) -> str:
    lora, quantization = _section(values, "lora"), _section(values, "quantization")
    parts = ["full"]
    if lora.get("enabled", True):
        parts = [f"r{lora['r']}"] if isinstance(lora.get("r"), int) else ["LoRA"]
        parts += ["DoRA"] if lora.get("use_dora") is True else []
    if quantization.get("enabled") is True:
        parts.append(f"{quantization.get('bits', 4)}-bit")
    return sanitize(" ".join(parts))


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name)
    return section if isinstance(section, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _last_part(path: str) -> str:
    last = path.rstrip("/").rsplit("/", 1)[-1].removeprefix("builtin:")
    return sanitize(without_date(last))
