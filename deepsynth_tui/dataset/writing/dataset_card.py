"""The dataset card, `README.md`.

It lists no `configs`: `datasets` finds the shards by their names, and would take a folder whose
card lists its files for any other folder of the same name, out of its cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.fields import as_text
from deepsynth_tui.dataset.writing.document_batches import TRAIN
from deepsynth_tui.dataset.writing.flaws import FLAWS
from deepsynth_tui.dataset.writing.schema import NEUTRAL_PROMPT

BODY = """\
# {name}

{documents} documents drawn as {pages} page images, made with deepsynth-tui.

| split | documents | pages | MiB |
| --- | --- | --- | --- |
{splits}

| | |
| --- | --- |
| source | {source} |
| instruction | {instruction} |
| answer to learn | {target} |
| page | {width} x {height} pixels, {columns} column(s), {theme}, {font} |
| left out | {skipped} |

## What became of the characters

Every page knows which characters it shows; together they show all of every document.

| | times | documents | allowed |
| --- | --- | --- | --- |
{flaws}

## Columns

- `images`: the pages, in order
- `messages`: a conversation; the user shows the pages and asks, the assistant answers
- `text`: the document; `instruction`: what is asked of it, or nothing
- `prompted_text`: both; {drawn} is exactly what is drawn
- `target`: the answer
- `source_id`, `source_hash`: where the document came from, and the SHA-256 of its text there
- `pages`: how many there are

Where there is no instruction, the user asks: "{prompt}"

`report.json` has every figure, `flaws.jsonl` every document with a flaw, `manifest.json` the
SHA-256 of each file.

```python
from datasets import load_dataset

dataset = load_dataset("path/to/this/folder", split="{split}")
```

## How it was made

The same settings and the same documents give the same files, with any number of processes. A
document is in the split `test` where its `source_hash` says so.

| setting | |
| --- | --- |
{settings}
"""


def card(config: DatasetConfig, settings: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Return the text of the card of a dataset made with `settings`, whose `report` this is."""
    head = {
        "pretty_name": config.name,
        "task_categories": ["image-text-to-text"],
        "tags": ["deepsynth-tui", "ocr"],
    }
    skipped = [f"{one['count']} ({reason})" for reason, one in report["skipped"].items()]
    targets = dict.fromkeys(one.target_column for one in config.all_sources)
    body = BODY.format(
        name=config.name,
        documents=report["documents"],
        pages=report["pages"],
        splits="\n".join(_splits(report)),
        source=_cell(config.source_paths),
        instruction=_cell(config.instruction or "; ".join(config.instructions) or "none"),
        target=_cell(", ".join(f"column {one}" if one else "the text itself" for one in targets)),
        drawn="`prompted_text`" if config.instruction_in == "page" else "`text` alone",
        width=report["page"]["width"],
        height=report["page"]["height"],
        columns=config.page.columns,
        theme=config.page.theme,
        font=report["font"],
        skipped=", ".join(skipped) or "none",
        flaws="\n".join(_flaws(report, settings)),
        prompt=NEUTRAL_PROMPT,
        split=TRAIN,
        settings="\n".join(
            f"| `{key}` | {_cell(as_text(value)) or 'none'} |" for key, value in settings.items()
        ),
    )
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{body}"


def _splits(report: Mapping[str, Any]) -> Iterator[str]:
    for name, split in report["splits"].items():
        size = split["bytes"] / 2**20
        yield f"| {name} | {split['documents']} | {split['pages']} | {size:.1f} |"


def _flaws(report: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    for name in FLAWS:
        found = report[name]
        allowed = settings[f"flaws.{name}"]
        yield f"| {name.replace('_', ' ')} | {found['count']} | {found['documents']} | {allowed} |"


def _cell(text: str) -> str:
    """Return `text` as it may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
