"""How many tokens each row takes, before training begins, without processing every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.estimate.dataset_facts import DatasetFacts, quantiles
from deepsynth_tui.estimate.profiles.images import PageSize
from deepsynth_tui.training.batches import Batcher, Rendered, too_long
from deepsynth_tui.training.conversations import image_size

if TYPE_CHECKING:
    from deepsynth_tui.training.rows import Rows

Sizes = tuple[tuple[int, int], ...]


class Lengths:
    """Counts tokens. How many an image takes depends on its size alone, so the processor runs
    once per new combination of sizes, and of every other image only the header is read.

    `most_text` is the most tokens a row counted so far has without its images, `most_pages` the
    most images.
    """

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self._image_tokens: dict[Sizes, int] = {}
        self.most_text = 0
        self.most_pages = 0

    def of(self, rendered: Rendered) -> int:
        """Tokens of a row, prompt and answer, image tokens and soft ones together."""
        batcher = self.batcher
        text = len(batcher.tokenizer(rendered.prompt, add_special_tokens=False)["input_ids"])
        text += batcher.soft_tokens(rendered)
        sizes: Sizes = tuple(
            image_size(stored, batcher.config.model) for stored in rendered.conversation.images
        )
        if sizes not in self._image_tokens:
            prompt = batcher.prompts([rendered])["input_ids"].shape[1]
            self._image_tokens[sizes] = prompt - text
        text += len(batcher.answer_tokens(rendered))
        self.most_text = max(self.most_text, text)
        self.most_pages = max(self.most_pages, len(sizes))
        return text + self._image_tokens[sizes]

    def largest_page(self) -> PageSize | None:
        """The page of largest area among the rows counted so far."""
        pages = (PageSize(*size) for sizes in self._image_tokens for size in sizes)
        return max(pages, key=lambda page: page.width * page.height, default=None)


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of each row in their order, images included; the largest page in pixels as the model
    gets it, None without; the most tokens of any row's text and the most pages of any row."""

    tokens: Sequence[int]
    page: PageSize | None
    text: int
    pages: int

    def facts(self, *, split: int) -> DatasetFacts:
        """What an estimate takes of these rows, of a split of so many."""
        return DatasetFacts(
            rows=split,
            lengths=quantiles(sorted(self.tokens)),
            page=self.page,
            counted=len(self.tokens),
            text=self.text,
            pages=self.pages,
        )


def check_lengths(rows: Rows, batcher: Batcher, *, report: Callable[[int], bool]) -> Counted | None:
    """Count the tokens of all rows.

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
    return Counted(tokens, lengths.largest_page(), lengths.most_text, lengths.most_pages)
