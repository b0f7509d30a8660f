"""Instructions as tokens of the text encoder; needs no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from deepsynth_tui import builtin
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.models.text_encoders import MODEL_TYPES, text_encoder_type
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from deepsynth_tui.config.model import TextEncoderSettings

KEY = "text_encoder.name_or_path"
# Keys of a batch, both (rows, tokens of the longest instruction).
INSTRUCTION_IDS, INSTRUCTION_MASK = "instruction_ids", "instruction_mask"


@dataclass(frozen=True, slots=True)
class InstructionTokenizer:
    """Turns instructions into inputs of the text encoder.

    `max_length` is in tokens, start and end token included. An instruction becomes at most
    `max_soft_tokens` soft tokens.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    max_soft_tokens: int

    def encode(self, row_id: str, instruction: str) -> list[int]:
        """Return the token ids of an instruction, including the tokenizer's special tokens.

        Raises:
            RowError: it contains one of those tokens as text, is longer than `max_length`, or has
                only unknown tokens: the encoder could not tell it from any other such instruction.
        """
        for token in self.tokenizer.all_special_tokens:
            if token in instruction:
                raise RowError(
                    row_id,
                    f"its instruction contains {token}, which the text encoder reads as a control "
                    "token and not as text",
                    f"Remove {token} from the instruction, or write it in another way.",
                )
        ids = list(self.tokenizer(instruction, verbose=False)["input_ids"])
        if len(ids) > self.max_length:
            raise RowError(
                row_id,
                f"its instruction has {len(ids)} tokens, more than "
                f"text_encoder.max_length ({self.max_length})",
                f"Raise text_encoder.max_length to {len(ids)} or shorten the instruction. It is "
                "never truncated.",
            )
        unknown = self.tokenizer.unk_token_id
        if unknown in ids and set(ids) <= set(self.tokenizer.all_special_ids):
            raise RowError(
                row_id,
                f"the text encoder's tokenizer knows no token of its instruction "
                f"({instruction[:80]!r})",
                "Choose an encoder that supports its script; the qwen3 family supports all.",
            )
        return ids

    def count_soft_tokens(self, ids: Sequence[int]) -> int:
        """Return the number of soft tokens for an instruction of these token ids."""
        return min(self.max_soft_tokens, len(ids))

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Stack instructions, padded on the right; ids and mask, (rows, longest)."""
        ids = [torch.tensor(row) for row in rows]
        masks = [torch.ones_like(row) for row in ids]
        # Padding is masked, so any token id will do.
        return {INSTRUCTION_IDS: _pad_right(ids), INSTRUCTION_MASK: _pad_right(masks)}


def load_instruction_tokenizer(
    settings: TextEncoderSettings, **options: Any
) -> InstructionTokenizer:
    """Load the tokenizer of the encoder; `options` are passed to `from_pretrained`.

    Raises:
        TrainingError: the checkpoint is of another family than `text_encoder.type`, or it has
            fewer positions than `text_encoder.max_length`.
        OSError: there is no such checkpoint, or it has no tokenizer.
    """
    options = {"revision": settings.revision, **options}
    config = load_encoder_config(settings, **options)
    max_positions = _max_positions(config)
    if settings.max_length > max_positions:
        raise TrainingError(
            f"text_encoder.max_length is {settings.max_length} tokens, but "
            f"{settings.name_or_path} reads at most {max_positions}",
            f"Lower it to {max_positions}.",
        )
    tokenizer = AutoTokenizer.from_pretrained(
        builtin.locate(settings.name_or_path), trust_remote_code=False, **options
    )
    return InstructionTokenizer(
        tokenizer, max_length=settings.max_length, max_soft_tokens=settings.tokens
    )


def load_encoder_config(settings: TextEncoderSettings, **options: Any) -> PreTrainedConfig:
    """Load the config of the encoder and check its family. Raises as `load_instruction_tokenizer`.

    Code from the repository is never run: transformers itself has all families.
    """
    path = builtin.locate(settings.name_or_path)
    try:
        config_dict, _ = PreTrainedConfig.get_config_dict(path, **options)
    except OSError as error:  # its message does not always name the encoder
        raise OSError(f"{KEY}: {settings.name_or_path} cannot be loaded") from error
    model_type = str(config_dict.get("model_type"))
    if model_type not in MODEL_TYPES[settings.type]:
        family = text_encoder_type(model_type)
        raise TrainingError(
            f"text_encoder.type is {settings.type}, but {settings.name_or_path} is of type "
            f"{model_type}",
            f"Set text_encoder.type to {family}."
            if family
            else f"Choose an encoder of one of the families {', '.join(MODEL_TYPES)}.",
        )
    return AutoConfig.from_pretrained(path, trust_remote_code=False, **options)


def _max_positions(config: PreTrainedConfig) -> int:
    """Return the number of tokens that the encoder has positions for.

    RoBERTa's positions start after the id of its padding token
    (``models/roberta/modeling_roberta.py``, `create_position_ids_from_input_ids`).
    """
    offset = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    return config.max_position_embeddings - offset


def _pad_right(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
