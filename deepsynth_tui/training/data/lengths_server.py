"""Child process that counts the tokens of a dataset's rows; see `deepsynth_tui.child_process`.

The question is a training configuration, the answer a `RowStatistics`. Rows are counted as the
trainer encodes them. No weights are loaded and no dataset is downloaded; tokenizer and processor
of the model are, if they are not on this machine.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.training.failures import explain_as_user_error

if TYPE_CHECKING:
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

# All rows are counted up to this number; of more, an even sample and the likely longest.
MAX_ROWS_COUNTED = 2000
LIKELY_LONGEST = 200
# Counting ends after this time; the note says how many rows were counted.
MAX_SECONDS = 10.0

UNBOUNDED = ModelSettings()  # page sizes as stored


def row_statistics(config: TrainingConfig) -> RowStatistics:
    """Count the tokens of the rows that `config` trains on.

    Without the model's processor only the number of rows is known. Nothing is known of a dataset
    that would have to be downloaded.

    Raises:
        TrainingError: there is no such folder or run, or its rows cannot be used.
    """
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_split, open_dataset
    from deepsynth_tui.training.modeling.processor import load_preprocessor_offline_first

    try:
        total = len(open_dataset(config.data))
    except ConnectionError:
        return RowStatistics(
            note=f"No row was counted: {config.data.path} is not on this machine, and an estimate "
            "downloads no dataset."
        )
    try:
        preprocessor = load_preprocessor_offline_first(config)
    except OSError as error:
        note = f"No row was counted: {str(error).splitlines()[0]}"
        return RowStatistics(rows=total, note=note)
    split = load_split(config, images=preprocessor.reads_images)
    return measure_rows(split.train, Collator(preprocessor, config), max_seconds=MAX_SECONDS)


def measure_rows(rows: Rows, collator: Collator, *, max_seconds: float) -> RowStatistics:
    """Count the tokens of `rows` for about `max_seconds`, at least of one row.

    Of more than `MAX_ROWS_COUNTED` rows a sample is counted that includes those with most text and
    most images. It need not include the longest row of all, and the note says so.
    """
    from deepsynth_tui.training.data.lengths import TokenCounter
    from deepsynth_tui.training.data.sample_rows import evenly_spaced_sample, likely_longest_rows

    data = collator.config.data
    likely: list[int] = []
    if len(rows) > MAX_ROWS_COUNTED:
        images = collator.reads_images
        likely = likely_longest_rows(rows, data, images=images, count=LIKELY_LONGEST)
    sample = evenly_spaced_sample(len(rows), MAX_ROWS_COUNTED - len(likely), seed=data.split_seed)
    counter = TokenCounter(collator)
    tokens: dict[int, int] = {}
    largest_page: PageSize | None = None
    max_text_tokens = max_pages = 0
    deadline = time.monotonic() + max_seconds
    for position in dict.fromkeys([*likely, *sample]):
        chat = collator.render(rows[position])
        length = counter.count(chat)
        tokens[position] = length.tokens
        max_text_tokens = max(max_text_tokens, length.text_tokens)
        max_pages = max(max_pages, len(length.page_sizes))
        largest_page = max((largest_page, *_stored_page_sizes(chat)), key=_area)
        if time.monotonic() > deadline:
            break
    sampled = sorted(tokens[position] for position in sample if position in tokens) or [0]
    return RowStatistics(
        rows=len(rows.dataset),
        lengths=(*quantiles(sampled)[:-1], max(tokens.values())),
        page=largest_page,
        counted=len(tokens),
        text=max_text_tokens,
        pages=max_pages,
        note=_note(len(tokens), len(rows), likely=len(likely)),
    )


def _note(counted: int, rows: int, *, likely: int) -> str:
    if counted == rows:
        return ""
    among = f", among them {likely} with most text or pages" if 0 < likely < counted else ""
    return f"{counted:,} of {rows:,} rows were counted{among}: a longer one is possible."


def _stored_page_sizes(chat: RenderedChat) -> list[PageSize]:
    from deepsynth_tui.training.data.pages import page_size

    return [PageSize(*page_size(stored, UNBOUNDED)) for stored in chat.example.images]


def _area(page: PageSize | None) -> int:
    return page.width * page.height if page else 0


def _answer(question: Any) -> dict[str, Any]:
    os.environ["HF_DATASETS_OFFLINE"] = "1"  # read on import: an estimate downloads no dataset
    from deepsynth_tui.training.silence_libraries import silence_libraries

    silence_libraries()
    return row_statistics(TrainingConfig.model_validate(question)).to_json()


def main() -> int:
    """Answer the question on stdin and return the exit status."""
    return serve(_answer, explain=explain_as_user_error)


if __name__ == "__main__":
    sys.exit(main())
