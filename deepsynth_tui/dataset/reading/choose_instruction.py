"""Choose the instruction of a document and fill in the values of its row."""

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
    """Return the instruction of the document with `source_hash`, filled with `values` of its row.

    Of several, one is drawn by weight among those whose columns are not empty. The seed and the
    hash alone determine which, so it is the same in any order and any process. "" if no instruction
    is configured; None if every instruction names a column that is empty in this row.
    """
    usable = [
        (template, weight)
        for template, weight in _weighted(config)
        if not any(is_blank(values[column]) for column in template.columns)
    ]
    if not usable:
        return None
    point = _hash_to_unit(f"{config.seed}:{source_hash}") * sum(weight for _, weight in usable)
    for template, weight in usable:
        point -= weight
        if point < 0:
            return template.filled(values)
    return usable[-1][0].filled(values)


def _weighted(config: DatasetConfig) -> list[tuple[Template, float]]:
    # Sorted, so that their order in the file does not matter.
    weights = config.instructions or {config.instruction or "": 1.0}
    return [(parse_template(text), weight) for text, weight in sorted(weights.items())]


def _hash_to_unit(text: str) -> float:
    """Hash `text` to a number in [0, 1)."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
