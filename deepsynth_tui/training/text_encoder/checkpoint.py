"""Save and restore the trained parts of the text encoder.

The package docstring describes the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from peft import PeftModel
from safetensors.torch import load_file, save_file

from deepsynth_tui.training.result.adapter_keys import make_loadable
from deepsynth_tui.training.text_encoder import (
    ADAPTER_FOLDER,
    ENCODER_FOLDER,
    MODEL_FOLDER,
    PROJECTION_FILE,
)
from deepsynth_tui.training.text_encoder.load import load_encoder_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from deepsynth_tui.training.text_encoder.module import TextEncoder


def save(encoder: TextEncoder, folder: Path) -> None:
    """Write the trained parts of the encoder into `folder`/text_encoder.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    encoder_folder = folder / ENCODER_FOLDER
    encoder_folder.mkdir(exist_ok=True)
    weights = {name: value.cpu() for name, value in encoder.projection.state_dict().items()}
    save_file(weights, encoder_folder / PROJECTION_FILE, metadata={"format": "pt"})
    model = encoder.encoder
    if isinstance(model, PeftModel):
        adapter_folder = encoder_folder / ADAPTER_FOLDER
        model.save_pretrained(str(adapter_folder), save_embedding_layers=False)
        make_loadable(model, adapter_folder)
    elif encoder.is_trained:
        model.save_pretrained(str(encoder_folder / MODEL_FOLDER))


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the tokenizer beside a whole encoder in `folder`, so that it loads on its own.

    Does nothing if `save` wrote no whole encoder: loading the other parts needs the original
    checkpoint anyway.

    Raises:
        OSError: the disk is full or the folder cannot be written to.
    """
    model_folder = folder / ENCODER_FOLDER / MODEL_FOLDER
    if model_folder.is_dir():
        tokenizer.save_pretrained(str(model_folder))


def restore(encoder: TextEncoder, folder: Path) -> None:
    """Load what `save` wrote into an encoder of the same configuration, in place.

    Raises:
        FileNotFoundError: a file is missing in `folder`.
        RuntimeError: the shapes of the weights differ.
    """
    encoder_folder = folder / ENCODER_FOLDER
    encoder.projection.load_state_dict(load_file(encoder_folder / PROJECTION_FILE))
    model = encoder.encoder
    if isinstance(model, PeftModel):
        model.load_adapter(str(encoder_folder / ADAPTER_FOLDER), "default", is_trainable=True)
    elif encoder.is_trained:
        path = str(encoder_folder / MODEL_FOLDER)
        weights = load_encoder_weights(path, model.config, dtype=model.dtype)
        model.load_state_dict(weights.state_dict())
