"""The tokens of several prompts from one call of a processor, with the answer to each in between.

A processor inserts the tokens of all images of a row in one call. The prompts of a row are joined
by a special token for it, and split there again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Separator:
    """A special token between the prompts of a row, and its id."""

    token: str
    token_id: int


def possible_separators(
    tokenizer: PreTrainedTokenizerBase, excluded: Collection[str]
) -> list[Separator]:
    """Return the special tokens that change neither the text beside them nor what is inserted.

    The tokenizer itself may add start and end tokens. `excluded` are others that may be inserted.
    """
    named = tokenizer.special_tokens_map
    added = {named.get(name) for name in ("bos_token", "eos_token", "cls_token", "sep_token")}
    separators = [
        Separator(token.content, token_id)
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.special
        and not (token.lstrip or token.rstrip or token.single_word or token.normalized)
        and token.content not in added
        and token.content not in excluded
    ]
    # Some processors mask padding wherever it is.
    return sorted(separators, key=lambda separator: separator.token == named.get("pad_token"))


def choose_separator(
    separators: Sequence[Separator], prompts: Sequence[Sequence[str]]
) -> Separator | None:
    """Return the first separator that occurs in no prompt; None if every row has a single one.

    Raises:
        TrainingError: there is none.
    """
    if all(len(row) == 1 for row in prompts):
        return None
    for separator in separators:
        if not any(separator.token in prompt for row in prompts for prompt in row):
            return separator
    raise TrainingError(
        "The tokenizer of the model has no unused special token, so a row with several learned "
        "answers cannot be tokenized",
        "Set data.learn_turns to last to learn only the last answer of each row.",
        "data.learn_turns",
    )


def split(values: torch.Tensor, is_separator: torch.Tensor) -> list[torch.Tensor]:
    """Split values, one for each token, at the separators; both (tokens,)."""
    first, *others = torch.tensor_split(values, is_separator.nonzero().flatten().cpu())
    return [first, *(values[1:] for values in others)]


def interleave(prompts: Sequence[torch.Tensor], answers: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the values of each prompt followed by those of its answer, (tokens,)."""
    return torch.cat([values for pair in zip(prompts, answers, strict=True) for values in pair])
