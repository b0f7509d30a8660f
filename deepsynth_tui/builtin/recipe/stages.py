"""The lessons in their order: from two short words to a full page.

A model that is given full pages at once learns for hours how letters follow each other before it
looks at any: with few of them on a page it finds out soon where to look. On pages of a new size it
is lost at first (6.5 nats a character where it had come to 0.6, 3.9 twenty steps later).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# As multiples of the text size: how wide a lower-case letter is in DejaVu Sans Bold, how high a
# line in Noto Sans, and the distance of two lines, as pages.yaml says.
LETTER = 0.64
LINE_HEIGHT = 1.362
LINE_SPACING = 1.15
MARGIN = 8  # pixels, as pages.yaml says

# Beside those of pages.yaml, once letters are known: with these alone, twice as many characters
# were wrong in fonts that were in no lesson. Of the packages fonts-liberation, fonts-lato,
# fonts-roboto-unhinted, fonts-open-sans, fonts-cantarell, fonts-crosextra-carlito and -caladea.
FURTHER_FONTS = (
    "Liberation Sans",
    "Liberation Sans Bold",
    "Liberation Serif",
    "Liberation Serif Italic",
    "Liberation Mono",
    "Roboto",
    "Open Sans",
    "Lato",
    "Cantarell",
    "Carlito",
    "Caladea",
    "Noto Serif Bold Italic",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Pages of `width` by `height` pixels with up to `lines` lines, `pages` of them in all, in
    equal parts at each of the text `sizes`; about the part `questions` of them something else is
    asked than to read them. The rows of a `batch` are shared out to `processes`."""

    name: str
    width: int
    height: int
    lines: int
    sizes: tuple[int, ...]
    pages: int
    batch: int
    learning_rate: float
    schedule: str = "constant_with_warmup"
    further_fonts: tuple[str, ...] = ()
    questions: float = 0.0
    processes: int = 1

    def letters(self, size: int) -> float:
        """Return how many lower-case letters go on a line."""
        return (self.width - 2 * MARGIN) / (LETTER * size)

    def lines_at(self, size: int) -> int:
        """Return how many lines a page has at most: as many as go on one, or `lines`."""
        room = self.height - 2 * MARGIN - LINE_HEIGHT * size
        return min(self.lines, 1 + int(room / (LINE_SPACING * size)))

    def page_settings(self, size: int) -> dict[str, Any]:
        """Return the dataset's settings that are of this stage."""
        fonts = {f"page.fonts.{name}": 1 for name in self.further_fonts}
        return {
            "page.width": self.width,
            "page.height": self.height,
            "page.font_size": size,
            **fonts,
        }

    def training_settings(self) -> dict[str, Any]:
        """Return the run's settings that are of this stage."""
        return {
            "training.per_device_train_batch_size": self.batch // self.processes,
            "training.num_processes": self.processes,
            "training.learning_rate": self.learning_rate,
            "training.lr_scheduler_type": self.schedule,
        }


def stages() -> Iterator[Stage]:
    """Yield the whole course."""
    rate = 5e-3
    yield Stage("words", 96, 64, 2, (14, 16), 24_000, 48, rate)
    yield Stage("lines", 160, 64, 3, (13, 14, 16), 24_000, 32, rate)
    page = (256, 128, 6, (13, 14, 15, 16, 18))
    fonts = FURTHER_FONTS
    yield Stage("pages", *page, 40_000, 16, rate, further_fonts=fonts)
    # On two cores, two processes of a thread each take two thirds of the time of one with two.
    yield Stage("questions", *page, 40_000, 16, rate, "cosine", fonts, 0.5, processes=2)


# Trial of the recipe itself: every part of it, in a minute.
TRIAL = (
    Stage("words", 96, 64, 2, (14, 16), 400, 16, 4e-3),
    Stage("questions", 96, 64, 2, (14, 16), 400, 16, 4e-3, "cosine", questions=0.5),
)
