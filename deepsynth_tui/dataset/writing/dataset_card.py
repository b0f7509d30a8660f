"""The dataset card, `README.md`.

It lists no `configs`: `datasets` finds the shards by their names. With a list of files in the card,
`datasets` would load another folder of the same name from its cache.
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
from deepsynth_tui.units import MIB

BODY = """\
# {name}

{documents} documents drawn as {pages} page images, generated with deepsynth-tui.

| split | documents | pages | MiB |
| --- | --- | --- | --- |
{splits}

| | |
| --- | --- |
| source | {source} |
| instruction | {instruction} |
| target | {target} |
| page | {width} x {height} pixels, {columns} column(s), {theme}, {font} |
| skipped | {skipped} |

## Flaws

The pages of each document are checked to show every character of it. Flaws are counted:

| flaw | count | documents | setting |
| --- | --- | --- | --- |
{flaws}

## Columns

- `images`: the pages, in order
- `messages`: a conversation; the user shows the pages and asks, the assistant answers
- `text`: the document; `instruction`: the instruction, or empty
- `prompted_text`: both; the pages show {drawn}
- `target`: the answer
- `source_id`, `source_hash`: the document's id in the source, and the SHA-256 of its text there
- `pages`: the number of pages

Without an instruction, the user asks: "{prompt}"

`report.json` holds all counts, `flaws.jsonl` every document with a flaw, and `manifest.json` the
SHA-256 of each file.

```python
from datasets import load_dataset

dataset = load_dataset("path/to/this/folder", split="{split}")
```

## Settings

The same settings and documents give the same files, with any number of processes. The
`source_hash` of a document decides whether it is in the split `test`.

| setting | value |
| --- | --- |
{settings}
"""


def dataset_card(
    config: DatasetConfig, settings: Mapping[str, Any], report: Mapping[str, Any]
) -> str:
    """Return the text of the card.

    Args:
        config: The configuration of the run.
        settings: Those that decide what the shards hold, by dotted key.
        report: The content of `report.json`.
    """
    metadata = {
        "pretty_name": config.name,
        "task_categories": ["image-text-to-text"],
        "tags": ["deepsynth-tui", "ocr"],
    }
    skipped = [f"{counts['count']} ({reason})" for reason, counts in report["skipped"].items()]
    targets = dict.fromkeys(source.target_column for source in config.all_sources)
    body = BODY.format(
        name=config.name,
        documents=report["documents"],
        pages=report["pages"],
        splits="\n".join(_split_rows(report)),
        source=_cell(config.place),
        instruction=_cell(config.instruction or "; ".join(config.instructions) or "none"),
        target=_cell(
            ", ".join(f"column {column}" if column else "the text itself" for column in targets)
        ),
        drawn="exactly this" if config.instruction_in == "page" else "`text` alone",
        width=report["page"]["width"],
        height=report["page"]["height"],
        columns=config.page.columns,
        theme=config.page.theme,
        font=report["font"],
        skipped=", ".join(skipped) or "none",
        flaws="\n".join(_flaw_rows(report, settings)),
        prompt=NEUTRAL_PROMPT,
        split=TRAIN,
        settings="\n".join(
            f"| `{key}` | {_cell(as_text(value)) or 'none'} |" for key, value in settings.items()
        ),
    )
    front_matter = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return f"---\n{front_matter}---\n\n{body}"


def _split_rows(report: Mapping[str, Any]) -> Iterator[str]:
    for name, split in report["splits"].items():
        size = split["bytes"] / MIB
        yield f"| {name} | {split['documents']} | {split['pages']} | {size:.1f} |"


def _flaw_rows(report: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    for name in FLAWS:
        counts, policy = report[name], settings[f"flaws.{name}"]
        yield f"| {name.replace('_', ' ')} | {counts['count']} | {counts['documents']} | {policy} |"


def _cell(text: str) -> str:
    """Return `text` escaped for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
