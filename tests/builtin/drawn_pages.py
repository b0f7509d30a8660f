"""Pages drawn with the settings of the demo, which the builtin model can read."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.dataset.draw_document import cached_renderer

# Not in the training data; the names are in no word list.
TEXTS = (
    "Quillon & Vash, Grocers\nFlour 2 kg 3.40\nHoney 7.85\nTotal 11.25",
    "Dear Mrs Orbeck,\nyour parcel came on 14 May.\nPlease bring the slip.",
    "NOTICE\nThe north gate is closed\nfrom 6 June to 19 July 2031.",
    "Zemrin Tools Ltd\nOrder 58027\nDue: 93.60 by 2 March",
)


def png(text: str) -> bytes:
    """Return the PNG file of a page with this text."""
    config = load_file(presets_dir() / "demo" / "dataset.yaml").config
    assert isinstance(config, DatasetConfig)
    (page,) = cached_renderer(config).render(text, "one").pages
    return page.image


def write(folder: Path, text: str) -> Path:
    """Write the page to a file in `folder` and return its path."""
    file = folder / "page.png"
    file.write_bytes(png(text))
    return file
