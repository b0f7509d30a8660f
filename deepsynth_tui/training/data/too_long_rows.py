"""Rows longer than `data.max_length`: refused, dropped or shortened as `data.on_too_long` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.training.data.bad_rows import MAX_REMOVED_SHARE
from deepsynth_tui.training.data.collator import Collator, too_long_error
from deepsynth_tui.training.data.dataset import Rows
from deepsynth_tui.training.data.example import Truncation
from deepsynth_tui.training.data.lengths import (
    RowLength,
    RowLengths,
    TokenCounter,
)
from deepsynth_tui.training.data.suggest_max_pixels import suggest_max_pixels
from deepsynth_tui.training.failures import TrainingError

WORD_LOOKBACK = 40  # characters to search backwards for the end of a word


@dataclass(frozen=True, slots=True)
class LimitedRows:
    """Rows that all fit `data.max_length`, and their lengths.

    `note` says what was changed, empty if nothing. `left_out` and `shortened` are numbers of rows.
    """

    rows: Rows
    lengths: RowLengths
    note: str = ""
    left_out: int = 0
    shortened: int = 0


def limit_row_length(rows: Rows, lengths: RowLengths, collator: Collator) -> LimitedRows:
    """Drop or shorten the rows that are too long.

    Raises:
        TrainingError: rows are too long and may not be changed, or more than `MAX_REMOVED_SHARE`
            of the rows or of a row's text would have to go.
    """
    data = collator.config.data
    too_long = [i for i, tokens in enumerate(lengths.tokens) if tokens > data.max_length]
    if not too_long:
        return LimitedRows(rows, lengths)
    if data.on_too_long == "drop":
        return _drop(rows, lengths, too_long, collator)
    if data.on_too_long == "shorten":
        return _shorten(rows, lengths, too_long, collator)
    raise too_long_error(
        [(rows[i].row_id, lengths.rows[i].tokens) for i in too_long],
        data.max_length,
        suggest_max_pixels(rows, lengths, too_long, collator),
    )


def _drop(
    rows: Rows, lengths: RowLengths, too_long: Sequence[int], collator: Collator
) -> LimitedRows:
    limit = collator.config.data.max_length
    if len(too_long) > MAX_REMOVED_SHARE * len(rows):
        raise TrainingError(
            f"{len(too_long)} of {len(rows)} rows are longer than data.max_length ({limit} "
            f"tokens): data.on_too_long: drop leaves out at most {MAX_REMOVED_SHARE:.0%}",
            f"Raise data.max_length. {suggest_max_pixels(rows, lengths, too_long, collator)}",
        )
    dropped = set(too_long)
    kept = [i for i in range(len(rows)) if i not in dropped]
    longest = max(too_long, key=lambda i: lengths.rows[i].tokens)
    return LimitedRows(
        rows.select(kept),
        RowLengths([lengths.rows[i] for i in kept]),
        f"{len(too_long)} of {len(rows)} rows are left out because they are longer than "
        f"data.max_length ({limit} tokens); the longest is {rows[longest].row_id} with "
        f"{lengths.rows[longest].tokens}",
        left_out=len(too_long),
    )


def _shorten(
    rows: Rows, lengths: RowLengths, too_long: Sequence[int], collator: Collator
) -> LimitedRows:
    counter = TokenCounter(collator)
    truncations: dict[int, Truncation] = {}
    shortened = list(lengths.rows)
    for i in too_long:
        truncations[i], shortened[i] = _truncate(rows, i, lengths.rows[i], counter)
    before = sum(lengths.rows[i].tokens for i in too_long)
    removed = before - sum(shortened[i].tokens for i in too_long)
    part = next(iter(truncations.values())).part
    effect = {
        "document": "the end of the document is missing from the question",
        "answer": "the end of the answer is not learned, nor that the answer ends there",
    }[part]
    return LimitedRows(
        rows.truncate(truncations),
        RowLengths(shortened),
        f"{len(too_long)} of {len(rows)} rows are shortened to data.max_length "
        f"({collator.config.data.max_length} tokens), by {removed} of {before} tokens: {effect}",
        shortened=len(too_long),
    )


def _truncate(
    rows: Rows, position: int, length: RowLength, counter: TokenCounter
) -> tuple[Truncation, RowLength]:
    """Find by binary search how much of the row's text fits, and end it at a word boundary."""
    collator = counter.collator
    limit = collator.config.data.max_length
    conversation = rows.conversation(position)
    part, text = rows.builder.truncatable_text(conversation)

    def truncate_to(characters: int) -> tuple[Truncation, RowLength]:
        truncation = Truncation(part, characters, len(text))
        chat = collator.render(rows.builder.build(conversation, truncation))
        return truncation, counter.count(chat)

    fits, too_many = round(MAX_REMOVED_SHARE * len(text)), len(text)
    if not text or not fits or truncate_to(fits)[1].tokens > limit:
        raise TrainingError(
            f"{conversation.row_id}: {length.tokens} tokens cannot be shortened to data.max_length "
            f"({limit} tokens): data.on_too_long: shorten removes at most {MAX_REMOVED_SHARE:.0%} "
            f"of the {part}, and never a page",
            "Raise data.max_length, or set data.on_too_long to drop.",
        )
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if truncate_to(middle)[1].tokens <= limit:
            fits = middle
        else:
            too_many = middle
    spaces = [i for i in range(max(1, fits - WORD_LOOKBACK), fits + 1) if text[i].isspace()]
    if spaces:
        at_word_end = truncate_to(spaces[-1])
        if at_word_end[1].tokens <= limit:
            return at_word_end
    return truncate_to(fits)
