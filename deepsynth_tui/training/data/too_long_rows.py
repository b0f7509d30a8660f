"""What is done about rows longer than `data.max_length`, as `data.on_too_long` says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deepsynth_tui.training.data.collator import Collator, too_long
from deepsynth_tui.training.data.dataset import Rows, Split
from deepsynth_tui.training.data.formats import Cut, cuttable, row_id
from deepsynth_tui.training.data.lengths import Counted, Length, Lengths, count_lengths
from deepsynth_tui.training.data.suggest_max_pixels import advice
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.estimate.row_statistics import RowStatistics

log = logging.getLogger(__name__)

# Of a dataset at most this share is left out, and of a text at most this share: with more gone,
# what is learned would be something else than what was asked for.
MOST = 0.5
WORD = 40  # characters to look back for the end of a word


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rows that are all short enough, their lengths, and in words what was done to make them so,
    empty if nothing. `left_out` and `shortened` are numbers of rows."""

    rows: Rows
    counted: Counted
    said: str = ""
    left_out: int = 0
    shortened: int = 0


@dataclass(frozen=True, slots=True)
class FittedSplit:
    """Both sides of a split, with all of their rows short enough. `lengths` are tokens of the rows
    to train on, in their order; `said` and `counts` are what was done about too long ones."""

    split: Split
    facts: RowStatistics
    lengths: Sequence[int]
    said: tuple[str, ...]
    counts: Mapping[str, int]


def fit_split(
    split: Split, batcher: Collator, *, report: Callable[[int], bool]
) -> FittedSplit | None:
    """Count the tokens of all rows and see to those that are too long.

    `report` is told how many rows are done and says whether to go on; None when it did not.

    Raises:
        TrainingError: as `fit`, or a row cannot be used at all.
    """
    sides = {"training": split.train, "held out": split.held_out}
    fitted: list[Fitted] = []
    said: list[str] = []
    done = 0
    for side, rows in sides.items():
        counted = count_lengths(rows, batcher, report=partial(_further, report, done))
        if counted is None:
            return None
        done += len(rows)
        if rows:
            tokens = counted.tokens
            mean, most = sum(tokens) // len(rows), max(tokens)
            log.info("%d rows %s: %d tokens on average, %d at most", len(rows), side, mean, most)
        found = fit(rows, counted, batcher)
        if found.said:
            said.append(f"{side}: {found.said}")
        fitted.append(found)
    train, held_out = fitted
    counts = {
        "left_out": train.left_out + held_out.left_out,
        "shortened": train.shortened + held_out.shortened,
    }
    return FittedSplit(
        Split(train.rows, held_out.rows),
        train.counted.facts(split=len(split.train.dataset)),
        train.counted.tokens,
        tuple(said),
        {name: count for name, count in counts.items() if count},
    )


def _further(report: Callable[[int], bool], before: int, rows_done: int) -> bool:
    return report(before + rows_done)


def fit(rows: Rows, counted: Counted, batcher: Collator) -> Fitted:
    """Leave out or shorten the rows that are too long.

    Raises:
        TrainingError: rows are too long and may not be changed; more than `MOST` of the rows would
            be left out, or more than `MOST` of a row's text.
    """
    data = batcher.config.data
    over = [i for i, tokens in enumerate(counted.tokens) if tokens > data.max_length]
    if not over:
        return Fitted(rows, counted)
    if data.on_too_long == "drop":
        return _without(rows, counted, over, batcher)
    if data.on_too_long == "shorten":
        return _shortened(rows, counted, over, batcher)
    raise _refusal(rows, counted, over, batcher)


def _refusal(rows: Rows, counted: Counted, over: Sequence[int], batcher: Collator) -> TrainingError:
    told = [(row_id(rows[i]), counted.rows[i].tokens) for i in over]
    return too_long(told, batcher.config.data.max_length, advice(rows, counted, over, batcher))


def _without(rows: Rows, counted: Counted, over: Sequence[int], batcher: Collator) -> Fitted:
    limit = batcher.config.data.max_length
    if len(over) > MOST * len(rows):
        raise TrainingError(
            f"{len(over)} of {len(rows)} rows are longer than data.max_length ({limit} tokens): "
            f"data.on_too_long: drop leaves out at most {MOST:.0%}",
            f"Raise data.max_length. {advice(rows, counted, over, batcher)}",
        )
    gone = set(over)
    kept = [i for i in range(len(rows)) if i not in gone]
    longest = max(over, key=lambda i: counted.rows[i].tokens)
    return Fitted(
        Rows(rows.dataset, [rows.positions[i] for i in kept], rows.cuts),
        Counted([counted.rows[i] for i in kept]),
        f"{len(over)} of {len(rows)} rows are left out, being longer than data.max_length "
        f"({limit} tokens); the longest is {row_id(rows[longest])} with "
        f"{counted.rows[longest].tokens}",
        left_out=len(over),
    )


def _shortened(rows: Rows, counted: Counted, over: Sequence[int], batcher: Collator) -> Fitted:
    lengths = Lengths(batcher)
    cuts: dict[int, Cut] = {}
    fitted = list(counted.rows)
    for i in over:
        cuts[rows.positions[i]], fitted[i] = _cut(rows[i], counted.rows[i], lengths)
    before = sum(counted.rows[i].tokens for i in over)
    lost = before - sum(fitted[i].tokens for i in over)
    part = next(iter(cuts.values())).part
    what = {
        "document": "the document's end is left out of the question",
        "answer": "the answer's end is not learned, nor that the answer ends there",
    }[part]
    return Fitted(
        Rows(rows.dataset, rows.positions, {**rows.cuts, **cuts}),
        Counted(fitted),
        f"{len(over)} of {len(rows)} rows are shortened to data.max_length "
        f"({batcher.config.data.max_length} tokens), by {lost} of {before} tokens: {what}",
        shortened=len(over),
    )


def _cut(row: Mapping[str, object], length: Length, lengths: Lengths) -> tuple[Cut, Length]:
    """Find by halving how much of the row's text fits, and end it with a word."""
    batcher = lengths.batcher
    limit = batcher.config.data.max_length
    part, text = cuttable(
        row,
        batcher.config.data,
        images=batcher.reads_images,
        encoded=batcher.instructions is not None,
    )

    def cut_at(characters: int) -> tuple[Cut, Length]:
        cut = Cut(part, characters)
        return cut, lengths.of(batcher.render({**row, Cut.KEY: cut}))

    fits, too_many = round(MOST * len(text)), len(text)
    if not text or not fits or cut_at(fits)[1].tokens > limit:
        raise TrainingError(
            f"{row_id(row)}: {length.tokens} tokens cannot be shortened to data.max_length "
            f"({limit} tokens): data.on_too_long: shorten leaves out at most {MOST:.0%} of the "
            f"{part}, and never a page",
            "Raise data.max_length, or set data.on_too_long to drop.",
        )
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if cut_at(middle)[1].tokens <= limit:
            fits = middle
        else:
            too_many = middle
    spaces = [at for at in range(max(1, fits - WORD), fits + 1) if text[at].isspace()]
    if spaces:
        found = cut_at(spaces[-1])
        if found[1].tokens <= limit:
            return found
    return cut_at(fits)
