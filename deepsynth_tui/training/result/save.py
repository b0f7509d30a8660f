"""Write the adapter or model, and never leave an incomplete folder under its final name."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from peft import PeftModel

from deepsynth_tui.runs import atomic
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


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `target` when the block ends without an error.

    Its content is on the disk before it gets its name. Until then `target` is unchanged; after an
    error the new folder is deleted.
    """
    draft = target.with_name(f".{target.name}.new")
    replaced = target.with_name(f".{target.name}.old")
    shutil.rmtree(draft, ignore_errors=True)
    if not target.exists() and replaced.exists():
        replaced.replace(target)  # a process was killed between the two renames below
    draft.mkdir(parents=True)
    try:
        yield draft
        atomic.sync_all(draft)
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            target.replace(replaced)
        draft.replace(target)
        atomic.sync(target.parent)
    except BaseException:
        if not target.exists() and replaced.exists():
            replaced.replace(target)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
