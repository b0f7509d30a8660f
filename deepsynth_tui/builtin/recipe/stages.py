"""The training stages in order: from two short words to a full page.

A model that starts with full pages spends hours learning which letters follow each other before it
looks at the image. With few letters on a page it soon finds out where to look. On pages of a new
size it is lost at first: the loss rises from 0.6 to 6.5 nats per character, and is 3.9 after twenty
more steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# In multiples of the font size: the width of a lower-case letter in DejaVu Sans Bold, the height of
# a line in Noto Sans, and the line spacing in pages.yaml.
LETTER_WIDTH = 0.64
LINE_HEIGHT = 1.362
LINE_SPACING = 1.15
MARGIN = 8  # pixels, as in pages.yaml

# Added to those in pages.yaml once the model knows letters; without them, twice as many characters
# were wrong in fonts not seen in training. From the packages fonts-liberation, fonts-lato,
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
    """Settings of a stage. The fields are stored in `figures.json`.

    Args:
        name: Name of the stage and of its folder.
        width: Page width in pixels; likewise `height`.
        height: Page height in pixels.
        lines: Most lines on a page.
        sizes: Font sizes in pixels, with an equal number of pages each.
        pages: Number of pages in all.
        batch: Batch size over all processes.
        learning_rate: Peak learning rate.
        schedule: `training.lr_scheduler_type`.
        further_fonts: Fonts in addition to those in pages.yaml.
        questions: Fraction of pages with a question about a part of the page.
        processes: `training.num_processes`.
    """

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

    def line_width(self, font_size: int) -> float:
        """Return how many lower-case letters fit on a line."""
        return (self.width - 2 * MARGIN) / (LETTER_WIDTH * font_size)

    def max_lines(self, font_size: int) -> int:
        """Return how many lines fit on a page, at most `lines`."""
        below_first_line = self.height - 2 * MARGIN - LINE_HEIGHT * font_size
        return min(self.lines, 1 + int(below_first_line / (LINE_SPACING * font_size)))

    def page_settings(self, font_size: int) -> dict[str, Any]:
        """Return the settings of the dataset run for one font size."""
        fonts = {f"page.fonts.{name}": 1 for name in self.further_fonts}
        return {
            "page.width": self.width,
            "page.height": self.height,
            "page.font_size": font_size,
            **fonts,
        }

    def training_settings(self) -> dict[str, Any]:
        """Return the settings of the training run."""
        return {
            "training.per_device_train_batch_size": self.batch // self.processes,
            "training.num_processes": self.processes,
            "training.learning_rate": self.learning_rate,
            "training.lr_scheduler_type": self.schedule,
        }


def stages() -> Iterator[Stage]:
    """Yield all stages in order."""
    rate = 5e-3
    yield Stage("words", 96, 64, 2, (14, 16), 24_000, 48, rate)
    yield Stage("lines", 160, 64, 3, (13, 14, 16), 24_000, 32, rate)
    page = (256, 128, 6, (13, 14, 15, 16, 18))
    fonts = FURTHER_FONTS
    yield Stage("pages", *page, 40_000, 16, rate, further_fonts=fonts)
    # On two cores, two processes with one thread each need two thirds of the time of one process
    # with two threads.
    yield Stage("questions", *page, 40_000, 16, rate, "cosine", fonts, 0.5, processes=2)


# For `--trial`: every step of the recipe, in a minute.
TRIAL = (
    Stage("words", 96, 64, 2, (14, 16), 400, 16, 4e-3),
    Stage("questions", 96, 64, 2, (14, 16), 400, 16, 4e-3, "cosine", questions=0.5),
)
