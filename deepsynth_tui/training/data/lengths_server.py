"""Child process that counts the tokens of a dataset's rows and prints what it found as JSON.

``python -m deepsynth_tui.training.data.lengths_server`` reads a training configuration as JSON on
stdin and prints one object on stdout: `RowStatistics`, or ``{"message", "advice"}`` and exit status
1. Rows are counted as the trainer will encode them. No weights are read and no dataset is
downloaded; the model's tokenizer and processor are, where they are not on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from deepsynth_tui.config.training import ModelSettings, TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.models.image_tokens import PageSize

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator, Rendered
    from deepsynth_tui.training.data.dataset import Rows

# Up to this many rows all are counted; of more, an even sample and the likely longest.
ALL_ROWS = 2000
LIKELY_LONGEST = 200
# Time for counting. What is done until then is used, and the note says how much that is.
SECONDS = 10.0

UNBOUNDED = ModelSettings()  # pages as they are stored


def facts(config: TrainingConfig) -> RowStatistics:
    """Count the rows that `config` trains on.

    Without the model's processor only the number of rows is known, and nothing of a dataset that
    would have to be downloaded.

    Raises:
        TrainingError: there is no such folder or run, or its rows cannot be used.
    """
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_rows, open_dataset
    from deepsynth_tui.training.modeling.processor_offline_first import load_processor_offline_first

    try:
        total = len(open_dataset(config.data))
    except ConnectionError:
        where = f"{config.data.path} is not on this machine, and an estimate downloads no dataset."
        return RowStatistics(note=f"No row was counted: {where}")
    try:
        reader = load_processor_offline_first(config)
    except OSError as error:
        note = f"No row was counted: {str(error).splitlines()[0]}"
        return RowStatistics(rows=total, note=note)
    split = load_rows(config.data, images=reader.reads_images)
    return count(split.train, Collator(reader, config), seconds=SECONDS)


def count(rows: Rows, batcher: Collator, *, seconds: float) -> RowStatistics:
    """Count the tokens of `rows`, for about `seconds`; at least one row is counted.

    Of more than `ALL_ROWS` rows only some are, among them those with most text and most images.
    The longest of these is not certain to be the longest of all, and the note says so.
    """
    from deepsynth_tui.training.data.lengths import Lengths
    from deepsynth_tui.training.data.sample_rows import even_sample, likely_longest

    likely: list[int] = []
    if len(rows) > ALL_ROWS:
        data, images = batcher.config.data, batcher.reads_images
        likely = likely_longest(rows, data, images=images, count=LIKELY_LONGEST)
    sample = even_sample(len(rows), ALL_ROWS - len(likely), seed=batcher.config.data.split_seed)
    lengths = Lengths(batcher)
    tokens: dict[int, int] = {}
    page: PageSize | None = None
    text = pages = 0
    end = time.monotonic() + seconds
    for index in dict.fromkeys([*likely, *sample]):
        rendered = batcher.render(rows[index])
        found = lengths.of(rendered)
        tokens[index] = found.tokens
        text, pages = max(text, found.text), max(pages, len(found.sizes))
        page = max((page, *_pages(rendered)), key=_area)
        if time.monotonic() > end:
            break
    counted = sorted(tokens[index] for index in sample if index in tokens) or [0]
    return RowStatistics(
        rows=len(rows.dataset),
        lengths=(*quantiles(counted)[:-1], max(tokens.values())),
        page=page,
        counted=len(tokens),
        text=text,
        pages=pages,
        note=_note(len(tokens), len(rows), likely=len(likely)),
    )


def _note(counted: int, rows: int, *, likely: int) -> str:
    if counted == rows:
        return ""
    among = f", among them {likely} with most text or pages" if likely < counted and likely else ""
    return f"{counted:,} of {rows:,} rows were counted{among}: a longer one is possible."


def _pages(rendered: Rendered) -> list[PageSize]:
    from deepsynth_tui.training.data.formats import image_size

    return [PageSize(*image_size(one, UNBOUNDED)) for one in rendered.conversation.images]


def _area(page: PageSize | None) -> int:
    return page.width * page.height if page else 0


def main() -> int:
    """Answer the configuration on stdin; the exit status is 1 if nothing can be said."""
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        answer, status = _answer(TrainingConfig.model_validate_json(sys.stdin.read()))
    print(json.dumps(answer))  # noqa: T201 - the answer of this process
    return status


def _answer(config: TrainingConfig) -> tuple[dict[str, Any], int]:
    os.environ["HF_DATASETS_OFFLINE"] = "1"  # read on import: an estimate downloads no dataset
    from deepsynth_tui.training.failures import explain
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    try:
        return facts(config).to_json(), 0
    except Exception as error:  # noqa: BLE001 - the process boundary: told, and exit status 1
        traceback.print_exc()
        failure = explain(error)
        return {"message": failure.message, "advice": failure.advice}, 1


if __name__ == "__main__":
    sys.exit(main())
