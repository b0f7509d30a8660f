"""The encoder as a run begins with it: weights of its checkpoint, and a new projection."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import nn
from transformers import AutoModel

from deepsynth_tui import builtin
from deepsynth_tui.models.text_encoders import encoder_target_modules, model_kwargs
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.revisions import commit_of
from deepsynth_tui.training.text_encoder.instructions import KEY, load_config
from deepsynth_tui.training.text_encoder.module import TextEncoder
from deepsynth_tui.training.text_encoder.pooling import POOLED

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

SAMPLED = 4096  # embeddings that the scale of all is taken from


def load_text_encoder(
    decoder: PreTrainedModel, config: TrainingConfig, *, commit: str | None = None
) -> TextEncoder | None:
    """Load the encoder of a configuration for `decoder`, to its device; None where it has none.

    Its adapters and projection are drawn from `training.seed` alone, so that every call gives the
    same. `commit` is the one to load from the Hub; None: what `text_encoder.revision` says.

    Raises:
        TrainingError: the checkpoint is of another family than `text_encoder.type`, or lacks
            weights.
        OSError: there is no such checkpoint.
    """
    settings = config.text_encoder
    if not settings.enabled:
        return None
    path = builtin.locate(settings.name_or_path)
    commit = commit or commit_of(path, settings.revision)
    revision = commit or settings.revision
    architecture = load_config(settings, revision=revision)
    encoder = load_weights(
        path,
        architecture,
        dtype=getattr(torch, config.model.dtype),
        revision=revision,
    )
    width, scale = _embeddings(decoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        made = TextEncoder(
            _trained(encoder, config),
            width=width,
            scale=scale,
            most=settings.tokens,
            pooled=POOLED[settings.type],
            commit=commit,
        )
    return made.to(decoder.device).eval()


def load_weights(
    path: str, architecture: PreTrainedConfig, *, dtype: torch.dtype, revision: str | None = None
) -> PreTrainedModel:
    """Load an encoder's own weights. Code from its repository is never run.

    Raises:
        TrainingError: the checkpoint lacks some, which would be random.
    """
    with _heads_unreported():
        model, found = AutoModel.from_pretrained(
            path,
            dtype=dtype,
            revision=revision,
            trust_remote_code=False,
            output_loading_info=True,
            **model_kwargs(architecture.model_type),
        )
    if lacking := sorted(found["missing_keys"]):
        more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
        raise TrainingError(
            f"{path} is no whole text encoder: it lacks {lacking[0]}{more}",
            f"Give another checkpoint as {KEY}.",
        )
    return model


@contextlib.contextmanager
def _heads_unreported() -> Iterator[None]:
    """Most checkpoints have heads that an encoder has no use for; transformers warns of them."""

    def is_other(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    reporter = logging.getLogger("transformers.modeling_utils")
    reporter.addFilter(is_other)
    try:
        yield
    finally:
        reporter.removeFilter(is_other)


def _trained(encoder: PreTrainedModel, config: TrainingConfig) -> PreTrainedModel | PeftModel:
    """Let learn what `text_encoder.trainable` says."""
    trainable = config.text_encoder.trainable
    encoder.requires_grad_(trainable == "full")
    if trainable != "lora":
        return encoder
    linears = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    adapters = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=config.lora.r,
        lora_alpha=config.lora.lora_alpha,
        lora_dropout=config.lora.lora_dropout,
        target_modules=list(encoder_target_modules(linears)),
    )
    return get_peft_model(encoder, adapters)


def _embeddings(decoder: PreTrainedModel) -> tuple[int, float]:
    """Width of the decoder's token embeddings and their root mean square, as its layers get them:
    some embedding modules multiply their weights."""
    embedding = decoder.get_input_embeddings()
    weight: Any = embedding.weight
    step = max(1, len(weight) // SAMPLED)
    ids = torch.arange(0, len(weight), step, device=weight.device)
    with torch.no_grad():
        embedded = embedding(ids).float()
    return embedded.shape[-1], embedded.square().mean().sqrt().item()
