"""Writing what was trained: never half a folder under the name of a whole one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
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
    """Write the adapter, or the whole model where there is none, its text encoder and processor.

    Weights are safetensors.

    Raises:
        OSError: the disk is full or the folder may not be written.
    """
    with without_text_encoder(model) as encoder:
        if isinstance(model, PeftModel):
            # "auto" would ask the Hub whether the vocabulary grew; no embedding is ever a target,
            # and one in modules_to_save is saved with its adapter anyway.
            model.save_pretrained(str(folder), save_embedding_layers=False)
            make_loadable(model, folder)
        else:
            model.save_pretrained(str(folder))
    if encoder is not None:
        checkpoint.save(encoder, folder)
    processor.save_pretrained(str(folder))


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `target` when the block ends without error.

    Until then `target` is as it was; after an error nothing is left of the new one.
    """
    draft = target.with_name(f".{target.name}.new")
    former = target.with_name(f".{target.name}.old")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        if target.exists():
            shutil.rmtree(former, ignore_errors=True)
            target.replace(former)
        draft.replace(target)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
