"""The dataset card, `README.md`.

It lists no `configs`: `datasets` finds the shards by their names, and would take a folder whose
card lists its files for any other folder of the same name, out of its cache.
"""

from __future__ import annotations

from typing import Any

import yaml

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.writing.rows import NEUTRAL_PROMPT
from deepsynth_tui.dataset.writing.shards import SPLIT

BODY = """\
# {name}

{documents} documents drawn as {pages} page images, made with deepsynth-tui.

| | |
| --- | --- |
| source | {source} |
| instruction | {instruction} |
| answer to learn | {target} |
| page | {width} x {height} pixels, {columns} column(s), {theme}, {font} |
| left out | {skipped} |
| characters without a glyph | {missing} |

## Columns

- `images`: the pages, in order
- `messages`: a conversation; the user shows the pages and asks, the assistant answers
- `text`: the document; `instruction`: what stands above it on the first page, or nothing
- `prompted_text`: exactly what is drawn
- `target`: the answer
- `source_id`, `source_hash`: where the document came from, and the SHA-256 of its text there
- `pages`: how many there are

Where there is no instruction, the user asks: "{prompt}" `report.json` has every figure.

```python
from datasets import load_dataset

dataset = load_dataset("path/to/this/folder", split="{split}")
```
"""


def card(config: DatasetConfig, report: dict[str, Any]) -> str:
    """Return the text of the card for a dataset with this `report`."""
    head = {
        "pretty_name": config.name,
        "task_categories": ["image-text-to-text"],
        "tags": ["deepsynth-tui", "ocr"],
    }
    skipped = [f"{one['count']} ({reason})" for reason, one in report["skipped"].items()]
    body = BODY.format(
        name=config.name,
        documents=report["documents"],
        pages=report["pages"],
        source=_cell(config.source.path),
        instruction=_cell(config.instruction or "none"),
        target=_cell(
            f"column {config.source.target_column}"
            if config.source.target_column
            else "the text itself"
        ),
        width=report["page"]["width"],
        height=report["page"]["height"],
        columns=config.page.columns,
        theme=config.page.theme,
        font=report["font"],
        skipped=", ".join(skipped) or "none",
        missing=report["missing_glyphs"]["count"],
        prompt=NEUTRAL_PROMPT,
        split=SPLIT,
    )
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{body}"


def _cell(text: str) -> str:
    """Return `text` as it may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
