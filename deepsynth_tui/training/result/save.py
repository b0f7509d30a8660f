"""Write the trained adapter or model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from peft import PeftModel

from deepsynth_tui.training.result.adapter_keys import make_loadable
from deepsynth_tui.training.text_encoder import checkpoint
from deepsynth_tui.training.text_encoder.soft_tokens import without_text_encoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin


def save_trained(
    model: PeftModel | PreTrainedModel,
    processor: ProcessorMixin | PreTrainedTokenizerBase,
    folder: Path,
) -> None:
    """Write the adapter, or the whole model without one, with its text encoder and processor.

    Weights are safetensors.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    with without_text_encoder(model) as encoder:
        if isinstance(model, PeftModel):
            # "auto" would ask the Hub whether the vocabulary grew. No embedding is a LoRA target,
            # and one in modules_to_save is saved with the adapter anyway.
            model.save_pretrained(str(folder), save_embedding_layers=False)
            make_loadable(model, folder)
        else:
            model.save_pretrained(str(folder))
    if encoder is not None:
        checkpoint.save(encoder, folder)
    processor.save_pretrained(str(folder))
