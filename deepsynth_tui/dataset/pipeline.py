"""From a configuration to a dataset on disk, reporting to whoever listens."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.drawing.page import sheet
from deepsynth_tui.dataset.errors import NoDocuments
from deepsynth_tui.dataset.reading.composing import Skipped
from deepsynth_tui.dataset.reading.sources import Source, open_source
from deepsynth_tui.dataset.writing.card import card
from deepsynth_tui.dataset.writing.drawing_pool import DrawnDocument, draw_documents, renderer
from deepsynth_tui.dataset.writing.publish import publish
from deepsynth_tui.dataset.writing.report import Tally
from deepsynth_tui.dataset.writing.rows import row
from deepsynth_tui.dataset.writing.shards import ShardWriter
from deepsynth_tui.dataset.writing.space import check_space, needed_bytes

log = logging.getLogger(__name__)

# From this many documents the size of the dataset is told before anything is written.
TRIAL_DOCUMENTS = 8
UNIT = "documents"

Verdict = Literal["completed", "stopped"]
Outcome = DrawnDocument | Skipped


class Listener(Protocol):
    """What a pipeline reports to; `runs.job.Job` is one."""

    def phase(self, name: str, detail: str = "") -> None:
        """Say that a new part of the work begins."""
        ...

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Say how far the work is; `total` None where nobody knows."""
        ...

    def warning(self, message: str) -> None:
        """Say what a person should know."""
        ...

    def result(self, **fields: object) -> None:
        """Say what is left at the end."""
        ...

    def stop_requested(self) -> str | None:
        """Return "stop", "stop-after-checkpoint" (here: after a shard) or None."""
        ...


def generate(config: DatasetConfig, folder: Path, listener: Listener) -> Verdict:
    """Make the dataset that `config` describes, in `folder`, which must not be there yet.

    Until it is whole it is called `<folder>.partial`, and stays so when stopped or failed.
    Raises `DatasetError`s, and `OSError` where the disk does not play along.
    """
    listener.phase("reading", config.source.path)
    source = open_source(config.source)
    total = source.count()
    fonts = renderer(config.page)
    notices = [str(notice) for notice in source.notices]
    paper = sheet(config.page)
    known = "documents" if total is None else f"{total} documents"
    log.info("%s: %s, text from column %s", config.source.path, known, source.text_column)
    log.info("drawing with %s on %d x %d pixels", fonts.font_name, paper.width, paper.height)
    listener.phase("drawing", "; ".join([fonts.font_name, *notices]))
    tally = Tally()
    outcomes = draw_documents(source.documents(), config)
    first = _trial(outcomes)
    drawn_first = [outcome for outcome in first if isinstance(outcome, DrawnDocument)]
    check_space(folder, needed_bytes(drawn_first, total))
    with ShardWriter(folder, config.output.shard_size) as writer:
        whole = _draw(chain(first, outcomes), writer, tally, total, listener)
        for warning in tally.warnings(fonts.font_name):
            listener.warning(warning)
        if not whole:
            listener.result(documents=tally.documents, partial=str(writer.partial))
            return "stopped"
        if not tally.documents:
            raise _nothing(source, tally)
        listener.phase("writing", str(folder))
        writer.finish_shards()
        _describe(config, writer, tally, fonts.font_name)
        writer.publish()
    skipped = tally.read - tally.documents
    log.info("%d documents on %d pages, %d left out", tally.documents, tally.pages, skipped)
    listener.result(
        documents=tally.documents, pages=tally.pages, skipped=skipped, dataset=str(folder)
    )
    if config.output.push_to_hub and config.output.hub_repo_id:
        listener.phase("writing", f"uploading to {config.output.hub_repo_id}")
        address = publish(folder, config.output.hub_repo_id, private=config.output.hub_private)
        listener.result(hub=address)
    listener.phase("done", f"{tally.documents} documents, {tally.pages} pages")
    return "completed"


def _trial(outcomes: Iterator[Outcome]) -> list[Outcome]:
    """Return outcomes up to the one that makes `TRIAL_DOCUMENTS` drawn documents."""
    first: list[Outcome] = []
    drawn = 0
    while drawn < TRIAL_DOCUMENTS and (outcome := next(outcomes, None)) is not None:
        first.append(outcome)
        drawn += isinstance(outcome, DrawnDocument)
    return first


def _draw(
    outcomes: Iterator[Outcome],
    writer: ShardWriter,
    tally: Tally,
    total: int | None,
    listener: Listener,
) -> bool:
    """Write every drawn document; return False when asked to stop before the last."""
    listener.progress(0, total, UNIT)
    shard_completed = False
    for outcome in outcomes:
        request = listener.stop_requested()
        if request == "stop" or (request is not None and shard_completed):
            return False
        shard_completed = False
        if isinstance(outcome, Skipped):
            log.info("left out %s: %s", outcome.source_id, outcome.reason)
            tally.skip(outcome)
        else:
            shard_completed = writer.add(row(outcome))
            tally.add(outcome)
        listener.progress(tally.read, total, UNIT)
    if total is None:
        listener.progress(tally.read, tally.read, UNIT)
    return True


def _describe(config: DatasetConfig, writer: ShardWriter, tally: Tally, font: str) -> None:
    """Write the report and the card beside the shards."""
    paper = sheet(config.page)
    page = {**config.page.model_dump(), "width": paper.width, "height": paper.height}
    shards = [shard.name for shard in writer.shards]
    report = tally.to_json(font=font, shards=shards, page=page)
    text = json.dumps(report, ensure_ascii=False, indent=2)
    (writer.partial / "report.json").write_text(text + "\n", encoding="utf-8")
    (writer.partial / "README.md").write_text(card(config, report), encoding="utf-8")


def _nothing(source: Source, tally: Tally) -> NoDocuments:
    if not tally.read:
        return NoDocuments("the source holds no documents", "Choose another one.", "source.path")
    reasons = ", ".join(f"{one.documents} {reason}" for reason, one in tally.skipped.items())
    return NoDocuments(
        f"none of the {tally.read} documents could be used: {reasons}",
        f"Check that {source.text_column!r} is the column of text, and that page.font can draw "
        "its script.",
        "source.text_column",
    )
