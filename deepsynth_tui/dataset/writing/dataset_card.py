"""The dataset card, `README.md`, whose front matter is for the Hub and for `datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.fields import as_text
from deepsynth_tui.dataset.writing.document_batches import TRAIN
from deepsynth_tui.dataset.writing.flaws import FLAWS
from deepsynth_tui.dataset.writing.partial_dataset import DATA
from deepsynth_tui.dataset.writing.schema import NEUTRAL_PROMPT
from deepsynth_tui.units import MIB

# The Hub's names for numbers of rows: below the bound, the name.
SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
LARGEST_SIZE = "n>1B"
ROWS = {"document": "a document", "page": "a page, with the text on it"}

BODY = """\
# {name}

{documents} documents drawn as {pages} page images, generated with deepsynth-tui.

| split | documents | rows | pages | MiB |
| --- | --- | --- | --- | --- |
{splits}

| | |
| --- | --- |
| source | {source} |
| instruction | {instruction} |
| target | {target} |
| row | {row} |
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
- `text`: {text}; `instruction`: the instruction or the last question, or empty
- `prompted_text`: both; the pages show {drawn}
- `target`: the answer, the last of several
- `source_id`, `source_hash`: the document's id in the source, and the SHA-256 of its text there;
  the same in all rows of a document
- `pages`: the number of pages; `first_page`: the number of the first of them in its document
{boxes}
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


TEXT_OF_PART = "the part of the document in this row, without the white space at its ends"
BOXES = """\
- `lines`, and `words` if they are stored: for each page a list of the texts on it in reading order,
  each with its `bbox`, the box of its ink as left, top, right, bottom in pixels of the image, from
  the top left corner, right and bottom exclusive
"""


CARD_FILE = "README.md"


def dataset_card(
    config: DatasetConfig, settings: Mapping[str, Any], report: Mapping[str, Any]
) -> str:
    """Return the text of the card.

    Args:
        config: The configuration of the run.
        settings: Those that decide what the shards hold, by dotted key.
        report: The content of `report.json`.
    """
    skipped = [f"{counts['count']} ({reason})" for reason, counts in report["skipped"].items()]
    targets = dict.fromkeys(
        source.target_column or source.question_column for source in config.all_sources
    )
    body = BODY.format(
        name=config.name,
        documents=report["documents"],
        pages=report["pages"],
        splits="\n".join(_split_rows(report)),
        source=_cell(config.source_paths),
        instruction=_cell(config.instruction or "; ".join(config.instructions) or "none"),
        target=_cell(
            ", ".join(f"column {column}" if column else "the text itself" for column in targets)
        ),
        drawn="exactly this" if config.instruction_in == "page" else "`text` alone",
        row=_row(config),
        text="the document" if config.rows == "document" else TEXT_OF_PART,
        boxes=BOXES if config.page.boxes != "none" else "",
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
    return f"---\n{_yaml(_front_matter(config, report))}---\n\n{body}"


def _front_matter(config: DatasetConfig, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the Hub and `datasets` read of the card.

    The key of the cache of `datasets` is a hash of `configs`, but not of the files that they name:
    without a description that is different for other rows, it would load another folder of the
    same name from there.
    """
    rows = report["rows"]
    size = next((name for bound, name in SIZES if rows < bound), LARGEST_SIZE)
    files = [{"split": name, "path": f"{DATA}/{name}-*.parquet"} for name in report["splits"]]
    return _chosen_metadata(config) | {
        "task_categories": ["image-text-to-text"],
        "size_categories": [size],
        "tags": ["deepsynth-tui", "ocr"],
        "configs": [
            {
                "config_name": "default",
                "data_files": files,
                "description": f"{config.name}, {report['fingerprint']}",
            }
        ],
    }


def _chosen_metadata(config: DatasetConfig) -> dict[str, Any]:
    """Return what the configuration says of the dataset for its front matter."""
    metadata: dict[str, Any] = {"pretty_name": config.name}
    if config.output.license:
        metadata["license"] = config.output.license
    if config.output.languages:
        metadata["language"] = config.output.languages
    return metadata


def updated_card(card: str, config: DatasetConfig) -> str:
    """Return an existing `card` with the name, license and language of `config`."""
    before, front_matter, body = card.split("---\n", 2)
    metadata = yaml.safe_load(front_matter) | _chosen_metadata(config)
    return f"{before}---\n{_yaml(metadata)}---\n{body}"


def _yaml(metadata: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True)


def _row(config: DatasetConfig) -> str:
    if config.row_characters is None:
        return ROWS[str(config.rows)]
    return f"a part of a document of at most {config.row_characters} characters, on its own pages"


def _split_rows(report: Mapping[str, Any]) -> Iterator[str]:
    for name, split in report["splits"].items():
        size = split["bytes"] / MIB
        counts = f"{split['documents']} | {split['rows']} | {split['pages']}"
        yield f"| {name} | {counts} | {size:.1f} |"


def _flaw_rows(report: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    for name in FLAWS:
        counts, policy = report[name], settings[f"flaws.{name}"]
        yield f"| {name.replace('_', ' ')} | {counts['count']} | {counts['documents']} | {policy} |"


def _cell(text: str) -> str:
    """Return `text` escaped for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
