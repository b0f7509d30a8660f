"""Instructions as tokens of the text encoder; its weights have no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from deepsynth_tui import builtin
from deepsynth_tui.models.text_encoders import MODEL_TYPES, text_encoder_type
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from deepsynth_tui.config.training import TextEncoderSettings

KEY = "text_encoder.name_or_path"
IDS, MASK = "instruction_ids", "instruction_mask"  # of a batch: (rows, tokens of the longest)


@dataclass(frozen=True, slots=True)
class Instructions:
    """Turns instructions into inputs of the encoder. `limit` in tokens, its start and end
    included; `most` soft tokens are made of one."""

    tokenizer: PreTrainedTokenizerBase
    limit: int
    most: int

    def ids(self, row_id: str, instruction: str) -> list[int]:
        """Token ids of one instruction, those that the tokenizer adds included.

        Raises:
            TrainingError: it is longer than `limit`, or all of it is unknown to the tokenizer: it
                would be the same to the encoder as any other such instruction.
        """
        ids = list(self.tokenizer(instruction, verbose=False)["input_ids"])
        if len(ids) > self.limit:
            raise TrainingError(
                f"{row_id}: its instruction has {len(ids)} tokens, more than "
                f"text_encoder.max_length ({self.limit})",
                f"Raise text_encoder.max_length to {len(ids)} or shorten the instruction. It is "
                "never cut.",
            )
        unknown = self.tokenizer.unk_token_id
        if unknown in ids and set(ids) <= set(self.tokenizer.all_special_ids):
            raise TrainingError(
                f"{row_id}: the text encoder's tokenizer knows nothing of its instruction "
                f"({instruction[:80]!r})",
                "Choose an encoder that knows its script; those of the family qwen3 know all.",
            )
        return ids

    def soft_tokens(self, ids: Sequence[int]) -> int:
        """How many soft tokens an instruction of these tokens becomes."""
        return min(self.most, len(ids))

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Stack instructions, filled up on the right; both tensors (rows, longest)."""
        ids = [torch.tensor(row) for row in rows]
        masks = [torch.ones_like(row) for row in ids]
        # What fills the ids is masked, so any token does.
        return {IDS: _stack(ids), MASK: _stack(masks)}


def load_instructions(settings: TextEncoderSettings, **source: Any) -> Instructions:
    """Load the tokenizer of the encoder; `source` are more options of `from_pretrained`.

    Raises:
        TrainingError: the checkpoint is of another family than `text_encoder.type`, or cannot
            read as much as `text_encoder.max_length`.
        OSError: there is no such checkpoint, or it has no tokenizer.
    """
    source = {"revision": settings.revision, **source}
    config = load_config(settings, **source)
    readable = _positions(config)
    if settings.max_length > readable:
        raise TrainingError(
            f"text_encoder.max_length: {settings.max_length} tokens, but {settings.name_or_path} "
            f"reads {readable} at most",
            f"Lower it to {readable}.",
        )
    tokenizer = AutoTokenizer.from_pretrained(
        builtin.locate(settings.name_or_path), trust_remote_code=False, **source
    )
    return Instructions(tokenizer, limit=settings.max_length, most=settings.tokens)


def load_config(settings: TextEncoderSettings, **source: Any) -> PreTrainedConfig:
    """Load the config of the encoder and check its family. Raises as `load_instructions`.

    Code from its repository is never run: transformers has all families itself.
    """
    path = builtin.locate(settings.name_or_path)
    try:
        stated, _ = PreTrainedConfig.get_config_dict(path, **source)
    except OSError as error:  # which does not always say what it was looking for
        raise OSError(f"{KEY}: {settings.name_or_path} cannot be loaded") from error
    model_type = str(stated.get("model_type"))
    if model_type not in MODEL_TYPES[settings.type]:
        family = text_encoder_type(model_type)
        raise TrainingError(
            f"text_encoder.type is {settings.type}, but {settings.name_or_path} is of type "
            f"{model_type}",
            f"Set text_encoder.type to {family}."
            if family
            else f"Choose an encoder of one of the families {', '.join(MODEL_TYPES)}.",
        )
    return AutoConfig.from_pretrained(path, trust_remote_code=False, **source)


def _positions(config: PreTrainedConfig) -> int:
    """Tokens that the encoder has positions for; RoBERTa's begin behind its padding token's id
    (``models/roberta/modeling_roberta.py``, `create_position_ids_from_input_ids`)."""
    offset = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    return config.max_position_embeddings - offset


def _stack(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
