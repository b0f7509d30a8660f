"""How many tokens each row takes, before training begins, without processing every image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from deepsynth_tui.training.batches import Batcher, Rendered, too_long
from deepsynth_tui.training.conversations import image_size

if TYPE_CHECKING:
    from deepsynth_tui.training.rows import Rows

Sizes = tuple[tuple[int, int], ...]


class Lengths:
    """Counts tokens. How many an image takes depends on its size alone, so the processor runs
    once per new combination of sizes, and of every other image only the header is read."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self._image_tokens: dict[Sizes, int] = {}

    def of(self, rendered: Rendered) -> int:
        """Tokens of a row, prompt and answer and image tokens together."""
        batcher = self.batcher
        text = len(batcher.tokenizer(rendered.prompt, add_special_tokens=False)["input_ids"])
        sizes: Sizes = tuple(
            image_size(stored, batcher.config.model) for stored in rendered.conversation.images
        )
        if sizes not in self._image_tokens:
            prompt = batcher.prompts([rendered])["input_ids"].shape[1]
            self._image_tokens[sizes] = prompt - text
        return text + self._image_tokens[sizes] + len(batcher.answer_tokens(rendered))


def check_lengths(
    rows: Rows, batcher: Batcher, *, report: Callable[[int], bool]
) -> tuple[int, int] | None:
    """Count the tokens of all rows; return the mean and the largest number.

    `report` is told how many rows are done and says whether to go on; None when it did not.

    Raises:
        TrainingError: rows are longer than `data.max_length`, or one cannot be used at all.
    """
    lengths = Lengths(batcher)
    counted: list[tuple[str, int]] = []
    for index in range(len(rows)):
        rendered = batcher.render(rows[index])
        counted.append((rendered.row_id, lengths.of(rendered)))
        if not report(index + 1):
            return None
    tokens = [count for _, count in counted]
    limit = batcher.config.data.max_length
    if max(tokens) > limit:
        raise too_long(counted, limit)
    return sum(tokens) // len(tokens), max(tokens)
