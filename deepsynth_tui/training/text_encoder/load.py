"""Load the text encoder at the start of a run: a checkpoint's weights and a new projection."""

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
from deepsynth_tui.training.modeling.lora import order_targets
from deepsynth_tui.training.modeling.revisions import resolve_commit
from deepsynth_tui.training.text_encoder.instruction_tokenizer import KEY, load_encoder_config
from deepsynth_tui.training.text_encoder.module import TextEncoder
from deepsynth_tui.training.text_encoder.pooling import POOLED_TOKEN

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

EMBEDDINGS_SAMPLED = 4096  # to estimate the scale of all embeddings


def load_text_encoder(
    decoder: PreTrainedModel, config: TrainingConfig, *, commit: str | None = None
) -> TextEncoder | None:
    """Load the encoder of a configuration onto the device of `decoder`; None if it has none.

    Adapters and projection are initialized from `training.seed` only, so every call gives the same.
    `commit` is the Hub commit to load instead of `text_encoder.revision`.

    Raises:
        TrainingError: the checkpoint is of another family than `text_encoder.type`, or lacks
            weights.
        OSError: there is no such checkpoint.
    """
    settings = config.text_encoder
    if not settings.enabled:
        return None
    path = builtin.locate(settings.name_or_path)
    commit = commit or resolve_commit(path, settings.revision)
    revision = commit or settings.revision
    encoder = load_encoder_weights(
        path,
        load_encoder_config(settings, revision=revision),
        dtype=getattr(torch, config.model.dtype),
        revision=revision,
    )
    width, scale = _embedding_width_and_scale(decoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        text_encoder = TextEncoder(
            _make_trainable(encoder, config),
            width=width,
            scale=scale,
            max_soft_tokens=settings.tokens,
            pooled_token=POOLED_TOKEN[settings.type],
            commit=commit,
        )
    return text_encoder.to(decoder.device).eval()


def load_encoder_weights(
    path: str, config: PreTrainedConfig, *, dtype: torch.dtype, revision: str | None = None
) -> PreTrainedModel:
    """Load the weights of an encoder. Code from its repository is never run.

    Raises:
        TrainingError: the checkpoint lacks weights, which would be random.
    """
    with _without_load_report():
        model, loading_info = AutoModel.from_pretrained(
            path,
            dtype=dtype,
            revision=revision,
            trust_remote_code=False,
            output_loading_info=True,
            **model_kwargs(config.model_type),
        )
    if missing := sorted(loading_info["missing_keys"]):
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise TrainingError(
            f"{path} is not a complete text encoder: it lacks {missing[0]}{more}",
            f"Give another checkpoint as {KEY}.",
        )
    return model


@contextlib.contextmanager
def _without_load_report() -> Iterator[None]:
    """Suppress transformers' warning about heads in the checkpoint, which an encoder ignores."""

    def is_other_message(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(is_other_message)
    try:
        yield
    finally:
        logger.removeFilter(is_other_message)


def _make_trainable(
    encoder: PreTrainedModel, config: TrainingConfig
) -> PreTrainedModel | PeftModel:
    """Freeze the encoder, unfreeze it or add adapters, as `text_encoder.trainable` says."""
    trainable = config.text_encoder.trainable
    encoder.requires_grad_(trainable == "full")
    if trainable != "lora":
        return encoder
    linears = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    lora_config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=config.lora.r,
        lora_alpha=config.lora.lora_alpha,
        lora_dropout=config.lora.lora_dropout,
        target_modules=list(encoder_target_modules(linears)),
    )
    model = get_peft_model(encoder, lora_config)
    order_targets(model)
    return model


def _embedding_width_and_scale(decoder: PreTrainedModel) -> tuple[int, float]:
    """Return the width of the decoder's token embeddings and their root mean square.

    The module is called rather than its weights read: some multiply their weights by a factor.
    """
    embedding = decoder.get_input_embeddings()
    weight: Any = embedding.weight
    step = max(1, len(weight) // EMBEDDINGS_SAMPLED)
    ids = torch.arange(0, len(weight), step, device=weight.device)
    with torch.no_grad():
        embeddings = embedding(ids).float()
    return embeddings.shape[-1], embeddings.square().mean().sqrt().item()
