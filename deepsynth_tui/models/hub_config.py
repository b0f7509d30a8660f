"""Where the config of a model comes from: a folder, the Hub's cache, this package, the Hub.

Runs in the profile process only. A model that ships with the package (``presets/models``) is
taken from there unless the Hub's cache on this machine has it, so that no network is needed.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from deepsynth_tui.builtin import ENCODERS, TINY_VLM, UnknownBuiltin, locate
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# Longest wait for a first answer of the Hub.
HUB_TIMEOUT_SECONDS = 8
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


class UnknownModelError(UserError):
    """No config was found for a model name."""


@dataclass(frozen=True)
class HubConfig:
    """A model's config, and the settings of its image processor (empty if there is none)."""

    config: PreTrainedConfig
    processor: dict[str, Any]
    origin: Literal["hub", "folder", "shipped"]


def find_hub_config(
    name: str, revision: str | None = None, *, trust_remote_code: bool = False
) -> HubConfig:
    """Find the config of a model. Raises `UnknownModelError` if there is none."""
    if not name:  # which would be the folder that this process stands in
        raise UnknownModelError(
            "No model is chosen.", "Give a Hub id, a checkpoint folder, or builtin:tiny-vlm."
        )
    try:
        path = Path(locate(name)).expanduser()
    except UnknownBuiltin as error:
        raise UnknownModelError(
            f"{error}.", "Write it like that, or give a Hub id or a folder."
        ) from error
    if path.is_dir():
        return _from_folder(path, trust_remote_code=trust_remote_code)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        return _from_hub(name, local_files_only=True, **options)
    except OSError:
        shipped = bundled_models().get(name)
        if shipped is not None and revision is None:
            return _from_shipped(shipped)
    if not hub_is_reachable():
        raise UnknownModelError(
            f"{name} is not on this machine, and the Hub cannot be reached.",
            "Check the name and the network. Without network use a folder that holds the model's "
            "config.json, or one of: " + ", ".join([TINY_VLM, *ENCODERS, *bundled_models()]) + ".",
        )
    try:
        return _from_hub(name, local_files_only=False, **options)
    except OSError as error:
        raise UnknownModelError(
            f"The Hub gives no config of {name}: {str(error).splitlines()[0]}",
            "Check the id and the revision; for a private model log in with `hf auth login`.",
        ) from error


def bundled_models() -> dict[str, dict[str, Any]]:
    """Models whose architecture ships with the package, by Hub id."""
    folder = presets_dir() / "models"
    entries = (yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yaml")))
    return {entry["id"]: entry for entry in entries}


def _from_folder(folder: Path, *, trust_remote_code: bool) -> HubConfig:
    if not (folder / "config.json").is_file():
        raise UnknownModelError(
            f"The folder {folder} holds no config.json.",
            "Give the folder of a checkpoint as transformers' save_pretrained writes it.",
        )
    config = _load_config(str(folder), trust_remote_code=trust_remote_code)
    return HubConfig(config, _read_processor(str(folder)), "folder")


def _from_hub(name: str, **options: Any) -> HubConfig:
    config = _load_config(name, **options)
    options.pop("trust_remote_code")
    return HubConfig(config, _read_processor(name, **options), "hub")


def _from_shipped(entry: dict[str, Any]) -> HubConfig:
    from transformers import AutoConfig

    figures = dict(entry["config"])
    config = AutoConfig.for_model(figures.pop("model_type"), **figures)
    return HubConfig(config, entry.get("processor", {}), "shipped")


def hub_is_reachable() -> bool:
    """One question without the retries that make a machine without network wait half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    question = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(question, timeout=HUB_TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except OSError as error:
        # Certificates are the Hub client's own affair: it may know better ones.
        return isinstance(getattr(error, "reason", None), ssl.SSLError)
    return True


def _load_config(name: str, **options: Any) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(name, **options)
    except ValueError as error:
        if "trust_remote_code" in str(error):
            raise UnknownModelError(
                f"{name} brings Python code of its own.",
                "Read that code, then set model.trust_remote_code and pin model.revision.",
            ) from error
        raise UnknownModelError(
            f"The config of {name} is of no kind that the installed transformers knows.",
            "A newer transformers may know it; otherwise choose another model.",
        ) from error


def _read_processor(name: str, **options: Any) -> dict[str, Any]:
    from transformers.utils.hub import cached_file

    found: dict[str, Any] = {}
    for file in PROCESSOR_FILES:
        path = cached_file(
            name,
            file,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            **options,
        )
        if path is not None:
            settings = json.loads(Path(path).read_text("utf-8"))
            found |= settings.get("image_processor", settings)
    return found
