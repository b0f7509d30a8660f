"""Can a model be loaded? Its folder, the Hub's cache, or the Hub itself is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui import builtin
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.models.text_encoders import MODEL_TYPES, text_encoder_type

if TYPE_CHECKING:
    from deepsynth_tui.config.training import ModelSettings, TextEncoderSettings

KEY = "model.name_or_path"
ENCODER = "text_encoder.name_or_path"
HUB_SECONDS = 5.0  # for an answer from the Hub
WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What config.json and the file list say. `weight_bytes` is 0 where they say nothing."""

    reads_images: bool
    model_type: str
    weight_bytes: int


# What the section of a key may take of the builtins.
BUILTIN: Mapping[str, Sequence[str]] = {KEY: (builtin.TINY_VLM,), ENCODER: builtin.ENCODERS}
# Those that have no folder before their first use.
BUILT_ON_FIRST_USE: Mapping[str, ModelFacts] = {
    name: ModelFacts(reads_images=False, model_type=family, weight_bytes=0)
    for name, family in ((builtin.TINY_QWEN3, "qwen3"), (builtin.TINY_BERT, "bert"))
}


def find_model(settings: ModelSettings, problems: list[Problem]) -> ModelFacts | None:
    """Find the model, or append to `problems` why it cannot be loaded and what to do."""
    return _look_up(KEY, settings.name_or_path, settings.revision, problems)


def check_text_encoder(settings: TextEncoderSettings, problems: list[Problem]) -> None:
    """Append to `problems` why the text encoder, where there is one, cannot be used."""
    if not settings.enabled:
        return
    known = _look_up(ENCODER, settings.name_or_path, settings.revision, problems)
    if known and known.model_type not in MODEL_TYPES[settings.type]:
        family = text_encoder_type(known.model_type)
        problems.append(
            Problem(
                "text_encoder.type",
                f"{settings.name_or_path} is of type {known.model_type}, not {settings.type}",
                family or "choose an encoder of one of these families",
            )
        )


def _look_up(
    key: str, name: str, revision: str | None, problems: list[Problem]
) -> ModelFacts | None:
    if name.startswith(builtin.PREFIX) and name not in BUILTIN[key]:
        wanted = "text encoder" if key == ENCODER else "model"
        problems.append(Problem(key, f"{name}: no such builtin {wanted}", _builtins(key)))
        return None
    if name in BUILT_ON_FIRST_USE:
        return BUILT_ON_FIRST_USE[name]
    folder = Path(builtin.locate(name)).expanduser()
    if folder.is_dir():
        return _in_folder(key, folder, problems)
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        problems.append(Problem(key, f"there is no folder {folder}", "a checkpoint or a Hub id"))
        return None
    return _on_hub(key, name, revision, problems)


def _builtins(key: str) -> str:
    return " or ".join(BUILTIN[key])


def disk_full_problem(key: str, folder: Path, *, needed: int, free: int) -> Problem:
    """The problem of a disk that is too full; sizes in bytes."""
    return Problem(
        key,
        f"the disk of {folder} has {free / 2**30:.1f} GiB free, {needed / 2**30:.1f} are needed",
        "free some space, or choose another disk",
    )


def _in_folder(key: str, folder: Path, problems: list[Problem]) -> ModelFacts | None:
    config = folder / "config.json"
    if not config.is_file():
        adapter = (folder / "adapter_config.json").is_file()
        said = "is an adapter, not a model" if adapter else "has no config.json"
        hint = "give the adapter's base model" if adapter else "a checkpoint folder has one"
        problems.append(Problem(key, f"{folder} {said}", hint))
        return None
    weights = [path for path in folder.iterdir() if path.suffix in WEIGHTS]
    if not weights:
        problems.append(Problem(key, f"{folder} has no weights", "*.safetensors belong there"))
        return None
    return _known(config, sum(path.stat().st_size for path in weights))


def _known(config: Path, weight_bytes: int) -> ModelFacts:
    stated: Mapping[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    return ModelFacts(
        reads_images=any("vision" in key or "image" in key for key in stated),
        model_type=stated.get("model_type", ""),
        weight_bytes=weight_bytes,
    )


def _on_hub(
    key: str, name: str, revision: str | None, problems: list[Problem]
) -> ModelFacts | None:
    """Ask the cache, then the Hub, whose config.json (a few KB) is downloaded to do so."""
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

    pinned = f"{key.partition('.')[0]}.revision"

    def refuse(message: str, hint: str, at: str = key) -> None:
        problems.append(Problem(at, message, hint))

    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(cached, str) and (known := _in_folder(key, Path(cached).parent, [])):
            return known
        size = _download_size(name, revision)  # does not try again and again, as a download does
        config = hf_hub_download(name, "config.json", revision=revision)
    except HFValidationError:
        refuse(f"{name} is no folder and no Hub id", "an id looks like owner/name")
    except GatedRepoError:
        refuse(f"{name} is gated", "accept its terms on the Hub, then run `hf auth login`")
    except RevisionNotFoundError:
        refuse(f"{name} has no revision {revision}", "a branch, tag or commit", pinned)
    except RepositoryNotFoundError:
        refuse(
            f"the Hub has no model {name} that you may read",
            "check the spelling; for a private one run `hf auth login`",
        )
    except EntryNotFoundError:
        refuse(f"{name} has no config.json", "choose a repository with a model in it")
    except HfHubHTTPError as error:
        refuse(f"the Hub refused {name}: {error}", "try again later")
    except (httpx.HTTPError, OfflineModeIsEnabled):
        refuse(
            f"not on this machine, and the Hub cannot be reached for {name}",
            f"connect, or give a checkpoint folder or {_builtins(key)}",
        )
    else:
        cache = Path(constants.HF_HUB_CACHE)
        existing = next(part for part in (cache, *cache.parents) if part.exists())
        free = shutil.disk_usage(existing).free
        if size > free:
            problems.append(disk_full_problem(key, existing, needed=size, free=free))
        return _known(Path(config), size)
    return None


def _download_size(name: str, revision: str | None) -> int:
    """Bytes of the weights on the Hub."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(name, revision=revision, timeout=HUB_SECONDS, files_metadata=True)
    return sum(
        file.size or 0 for file in info.siblings or () if Path(file.rfilename).suffix in WEIGHTS
    )
