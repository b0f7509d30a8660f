"""Which instruction a document gets, with the values of its row in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.instruction_template import Template, parse_template
from deepsynth_tui.dataset.clean_text import is_blank


@dataclass(frozen=True, slots=True)
class InstructionColumns:
    """Columns that the instruction set under `key` names in braces."""

    columns: tuple[str, ...]
    key: str


NO_INSTRUCTION_COLUMNS = InstructionColumns((), "")


def instruction_columns(config: DatasetConfig) -> InstructionColumns:
    """Return the columns that the instructions of `config` name, each once."""
    columns = (column for template, _ in _weighted(config) for column in template.columns)
    key = "instructions" if config.instructions else "instruction"
    return InstructionColumns(tuple(dict.fromkeys(columns)), key)


def choose_instruction(
    config: DatasetConfig, source_hash: str, values: Mapping[str, str]
) -> str | None:
    """Return the instruction of the document with this hash; `values` are those of its row.

    Of several, one is taken by weight among those whose columns are filled. The seed and the hash
    decide, so that it is the same in any order and in any process. "" where none is set; None
    where every one names a column that is empty here.
    """
    usable = [
        (template, weight)
        for template, weight in _weighted(config)
        if not any(is_blank(values[column]) for column in template.columns)
    ]
    if not usable:
        return None
    point = _between_0_and_1(f"{config.seed}:{source_hash}") * sum(weight for _, weight in usable)
    for template, weight in usable:
        point -= weight
        if point < 0:
            return template.filled(values)
    return usable[-1][0].filled(values)


def _weighted(config: DatasetConfig) -> list[tuple[Template, float]]:
    # Sorted: the order in which they are written decides nothing.
    several = config.instructions or {config.instruction or "": 1.0}
    return [(parse_template(text), weight) for text, weight in sorted(several.items())]


def _between_0_and_1(text: str) -> float:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
