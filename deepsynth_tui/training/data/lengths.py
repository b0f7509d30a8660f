"""How many tokens each row takes, before training begins, without processing every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.training.data.collator import Collator, Rendered
from deepsynth_tui.training.data.formats import image_size

if TYPE_CHECKING:
    from deepsynth_tui.training.data.dataset import Rows

Sizes = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Length:
    """Tokens of a row, those of them without its images, and its pages in pixels as the model gets
    them: (width, height) each."""

    tokens: int
    text: int
    sizes: Sizes


class Lengths:
    """Counts tokens. How many an image takes depends on its size alone, so the processor runs
    once per new combination of sizes, and of every other image only the header is read."""

    def __init__(self, batcher: Collator) -> None:
        self.batcher = batcher
        self._image_tokens: dict[Sizes, int] = {}

    def of(self, rendered: Rendered) -> Length:
        """The length of a row: prompt and answer, image tokens and soft ones together."""
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
        return Length(text + self._image_tokens[sizes], text, sizes)


@dataclass(frozen=True, slots=True)
class Counted:
    """The lengths of rows, in their order."""

    rows: Sequence[Length]

    @property
    def tokens(self) -> Sequence[int]:
        """Tokens of each row."""
        return [row.tokens for row in self.rows]

    def facts(self, *, split: int) -> RowStatistics:
        """What an estimate takes of these rows, of a split of so many; the largest page is as the
        model gets it."""
        pages = (PageSize(*size) for row in self.rows for size in row.sizes)
        return RowStatistics(
            rows=split,
            lengths=quantiles(sorted(self.tokens)),
            page=max(pages, key=lambda page: page.width * page.height, default=None),
            counted=len(self.rows),
            text=max(row.text for row in self.rows),
            pages=max(len(row.sizes) for row in self.rows),
        )


def count_lengths(
    rows: Rows, batcher: Collator, *, report: Callable[[int], bool]
) -> Counted | None:
    """Count the tokens of all rows.

    `report` is told how many rows are done and says whether to go on; None when it did not.

    Raises:
        TrainingError: a row cannot be used at all.
    """
    lengths = Lengths(batcher)
    counted: list[Length] = []
    for index in range(len(rows)):
        counted.append(lengths.of(batcher.render(rows[index])))
        if not report(index + 1):
            return None
    return Counted(counted)
