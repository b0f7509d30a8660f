"""Check whether a model can be loaded: from a folder, the Hub's cache, or the Hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui import builtin
from deepsynth_tui.config.model import DEFAULT_MODEL
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.models.text_encoders import MODEL_TYPES, text_encoder_type
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.config.model import ModelSettings, TextEncoderSettings

MODEL_KEY = "model.name_or_path"
ENCODER_KEY = "text_encoder.name_or_path"
HUB_TIMEOUT = 5.0  # seconds
WEIGHT_SUFFIXES = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What config.json and the file list say. `weight_bytes` is 0 if they do not tell.

    `architecture` is the name of the class that wrote the checkpoint.
    """

    reads_images: bool
    model_type: str
    weight_bytes: int
    architecture: str = ""


BUILTINS: Mapping[str, Sequence[str]] = {
    MODEL_KEY: (builtin.TINY_VLM,),
    ENCODER_KEY: builtin.ENCODERS,
}
"""Builtin models that each key accepts."""
BUILT_ON_FIRST_USE: Mapping[str, ModelFacts] = {
    name: ModelFacts(reads_images=False, model_type=family, weight_bytes=0)
    for name, family in ((builtin.TINY_QWEN3, "qwen3"), (builtin.TINY_BERT, "bert"))
}
"""Builtin models that have no folder before their first use."""


def find_model(settings: ModelSettings, problems: list[Problem]) -> ModelFacts | None:
    """Return the facts of the model, or append to `problems` why it cannot be loaded."""
    facts = _find(MODEL_KEY, settings.name_or_path, settings.revision, problems)
    if facts and facts.architecture.startswith("DeepseekOCR"):
        problems.append(
            Problem(
                MODEL_KEY,
                f"{settings.name_or_path} consists of remote code for a transformers before 4.48",
                f"set it to {DEFAULT_MODEL}, the checkpoint that transformers loads itself",
            )
        )
    return facts


def check_text_encoder(settings: TextEncoderSettings, problems: list[Problem]) -> None:
    """Append to `problems` why the text encoder, if one is enabled, cannot be loaded."""
    if not settings.enabled:
        return
    facts = _find(ENCODER_KEY, settings.name_or_path, settings.revision, problems)
    if facts and facts.model_type not in MODEL_TYPES[settings.type]:
        family = text_encoder_type(facts.model_type)
        problems.append(
            Problem(
                "text_encoder.type",
                f"{settings.name_or_path} is of type {facts.model_type}, not {settings.type}",
                family or "choose a text encoder of one of these types",
            )
        )


def disk_full_problem(key: str, folder: Path, *, needed: int, free: int) -> Problem:
    """Return the problem of a disk without enough free space; sizes in bytes."""
    return Problem(
        key,
        f"the disk of {folder} has {format_bytes(free)} free, but {format_bytes(needed)} are "
        "needed",
        "free some space, or choose another disk",
    )


def _find(key: str, name: str, revision: str | None, problems: list[Problem]) -> ModelFacts | None:
    if name.startswith(builtin.PREFIX) and name not in BUILTINS[key]:
        kind = "text encoder" if key == ENCODER_KEY else "model"
        problems.append(Problem(key, f"there is no builtin {kind} {name}", _builtin_names(key)))
        return None
    if name in BUILT_ON_FIRST_USE:
        return BUILT_ON_FIRST_USE[name]
    folder = Path(builtin.locate(name)).expanduser()
    if folder.is_dir():
        return _find_in_folder(key, folder, problems)
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        hint = "give a checkpoint folder or a Hub id"
        problems.append(Problem(key, f"there is no folder {folder}", hint))
        return None
    return _find_on_hub(key, name, revision, problems)


def _builtin_names(key: str) -> str:
    return " or ".join(BUILTINS[key])


def _find_in_folder(key: str, folder: Path, problems: list[Problem]) -> ModelFacts | None:
    config = folder / "config.json"
    if not config.is_file():
        if (folder / "adapter_config.json").is_file():
            message, hint = "is an adapter, not a model", "give the adapter's base model"
        else:
            message, hint = "has no config.json", "give the folder of a checkpoint"
        problems.append(Problem(key, f"{folder} {message}", hint))
        return None
    weights = [path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES]
    if not weights:
        hint = "*.safetensors are missing from the folder"
        problems.append(Problem(key, f"{folder} has no weights", hint))
        return None
    return _read_config(config, sum(path.stat().st_size for path in weights))


def _read_config(config: Path, weight_bytes: int) -> ModelFacts:
    values: Mapping[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    return ModelFacts(
        reads_images=any("vision" in key or "image" in key for key in values),
        model_type=values.get("model_type", ""),
        weight_bytes=weight_bytes,
        architecture=next(iter(values.get("architectures") or ()), ""),
    )


def _find_on_hub(
    key: str, name: str, revision: str | None, problems: list[Problem]
) -> ModelFacts | None:
    """Look in the Hub's cache, then on the Hub, from which config.json (a few KB) is downloaded."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx

    revision_key = f"{key.partition('.')[0]}.revision"

    def add_problem(message: str, hint: str, key: str = key) -> None:
        problems.append(Problem(key, message, hint))

    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(cached, str) and (facts := _find_in_folder(key, Path(cached).parent, [])):
            return facts
        size = _download_size(name, revision)  # fails at once; a download retries several times
        config = hf_hub_download(name, "config.json", revision=revision)
    except HFValidationError:
        add_problem(f"{name} is neither a folder nor a Hub id", "a Hub id has the form owner/name")
    except GatedRepoError:
        add_problem(f"{name} is gated", "accept its terms on the Hub, then run `hf auth login`")
    except RevisionNotFoundError:
        add_problem(
            f"{name} has no revision {revision}", "give a branch, tag or commit", revision_key
        )
    except RepositoryNotFoundError:
        add_problem(
            f"the Hub has no model {name} that you may read",
            "check the spelling; for a private model run `hf auth login`",
        )
    except EntryNotFoundError:
        add_problem(f"{name} has no config.json", "choose a repository that contains a model")
    except HfHubHTTPError as error:
        add_problem(f"the Hub refused {name}: {error}", "try again later")
    except (httpx.HTTPError, OfflineModeIsEnabled):
        add_problem(
            f"{name} is not on this machine, and the Hub cannot be reached",
            f"connect, or give a checkpoint folder or {_builtin_names(key)}",
        )
    else:
        cache = Path(constants.HF_HUB_CACHE)
        existing = next(part for part in (cache, *cache.parents) if part.exists())
        free = shutil.disk_usage(existing).free
        if size > free:
            problems.append(disk_full_problem(key, existing, needed=size, free=free))
        return _read_config(Path(config), size)
    return None


def _download_size(name: str, revision: str | None) -> int:
    """Return the size of the weights on the Hub in bytes."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT, files_metadata=True)
    return sum(
        file.size or 0
        for file in info.siblings or ()
        if Path(file.rfilename).suffix in WEIGHT_SUFFIXES
    )
