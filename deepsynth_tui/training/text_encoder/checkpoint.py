"""Writing and reading what was trained of the encoder, laid out as `layout` says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from peft import PeftModel
from safetensors.torch import load_file, save_file

from deepsynth_tui.training.result.adapter_keys import make_loadable
from deepsynth_tui.training.text_encoder.files import ADAPTER, FOLDER, MODEL, PROJECTION
from deepsynth_tui.training.text_encoder.load import load_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from deepsynth_tui.training.text_encoder.module import TextEncoder


def save(encoder: TextEncoder, folder: Path) -> None:
    """Write what was trained of the encoder into `folder`/text_encoder.

    Raises:
        OSError: the disk is full or the folder may not be written.
    """
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    weights = {name: value.cpu() for name, value in encoder.projection.state_dict().items()}
    save_file(weights, place / PROJECTION, metadata={"format": "pt"})
    if isinstance(encoder.encoder, PeftModel):
        encoder.encoder.save_pretrained(str(place / ADAPTER), save_embedding_layers=False)
        make_loadable(encoder.encoder, place / ADAPTER)
    elif encoder.learns:
        encoder.encoder.save_pretrained(str(place / MODEL))


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Put the tokenizer beside a whole encoder that `save` wrote into `folder`, so that it loads
    unaided. Where a part of it was trained, the rest is at its source anyway.

    Raises:
        OSError: the disk is full or the folder may not be written.
    """
    if (place := folder / FOLDER / MODEL).is_dir():
        tokenizer.save_pretrained(str(place))


def restore(encoder: TextEncoder, folder: Path) -> None:
    """Load what `save` wrote into an encoder of the same configuration, in place.

    Raises:
        FileNotFoundError: a part of it is missing in `folder`.
        RuntimeError: the weights are of another shape.
    """
    place = folder / FOLDER
    encoder.projection.load_state_dict(load_file(place / PROJECTION))
    model = encoder.encoder
    if isinstance(model, PeftModel):
        model.load_adapter(str(place / ADAPTER), "default", is_trainable=True)
    elif encoder.learns:
        path = str(place / MODEL)
        model.load_state_dict(load_weights(path, model.config, dtype=model.dtype).state_dict())
