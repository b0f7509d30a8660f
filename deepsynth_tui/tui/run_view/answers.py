"""The answers of the model to sample pages from evaluation to evaluation, with the wrong characters
marked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import Sample

MAX_CHARACTERS = 600
"""Characters shown of a text. Comparing longer ones would take long, and no pane holds them."""
MISSING = "_"
"""Stands for a missing character."""


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """Consecutive characters of an answer that are right or wrong. Missing ones are wrong `_`."""

    text: str
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """An answer: `when` it was given, its parts, and whether it is exactly the expected one."""

    when: str
    parts: tuple[AnswerPart, ...]
    is_right: bool
    is_cut: bool


@dataclass(frozen=True, slots=True)
class SampleHistory:
    """An input with its page, the expected answer, and the answers in the order they were given."""

    input: str
    target: str
    page: Sequence[str]
    answers: tuple[SampleAnswer, ...]


def sample_histories(samples: Sequence[Sample]) -> list[SampleHistory]:
    """Group samples by input and expected answer, in the order of their first answers.

    An answer that is the same as the one before it, such as that after the last evaluation, stays:
    it shows that nothing changed.
    """
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.input, sample.target), []).append(sample)
    return [
        SampleHistory(
            input=one_line(group[0].input),
            target=one_line(group[0].target),
            page=next((sample.page for sample in group if sample.page), ()),
            answers=tuple(map(_answer, group)),
        )
        for group in groups.values()
    ]


def _answer(sample: Sample) -> SampleAnswer:
    target, output = one_line(sample.target), one_line(sample.output)
    return SampleAnswer(
        when=sample.when if sample.step is None else f"step {sample.step}",
        parts=tuple(mark_wrong(target, output)),
        is_right=sample.target.strip() == sample.output.strip(),
        is_cut=sample.is_cut,
    )


def mark_wrong(target: str, output: str) -> list[AnswerPart]:
    """Return `output` in parts, those wrong that are not in `target`, with missing characters."""
    parts: list[AnswerPart] = []
    matcher = SequenceMatcher(None, target, output, autojunk=False)
    for operation, target_start, target_end, start, end in matcher.get_opcodes():
        if operation == "equal":
            parts.append(AnswerPart(output[start:end], is_wrong=False))
            continue
        missing = max(0, (target_end - target_start) - (end - start))
        parts.append(AnswerPart(output[start:end] + MISSING * missing, is_wrong=True))
    return parts


def one_line(text: str) -> str:
    """Return a text as one printable line of at most `MAX_CHARACTERS` characters."""
    line = sanitize(" ".join(text.split()))
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}…"
