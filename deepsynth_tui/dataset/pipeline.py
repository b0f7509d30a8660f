"""From a configuration to a dataset on disk, reporting to whoever listens."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.draw_document import DrawnDocument, draw_document, renderer
from deepsynth_tui.dataset.drawing.page import sheet
from deepsynth_tui.dataset.errors import NoDocuments
from deepsynth_tui.dataset.progress import Listener, Stopped, Watch
from deepsynth_tui.dataset.reading.mixture import Mixture, open_documents
from deepsynth_tui.dataset.reading.sources import Document, Source
from deepsynth_tui.dataset.writing.backends import crew_of
from deepsynth_tui.dataset.writing.dataset_card import card
from deepsynth_tui.dataset.writing.disk_space import check_space, needed_bytes
from deepsynth_tui.dataset.writing.dispatch import make_shards
from deepsynth_tui.dataset.writing.document_batches import TEST, deal
from deepsynth_tui.dataset.writing.manifest import Manifest
from deepsynth_tui.dataset.writing.partial_dataset import Unfinished, is_whole
from deepsynth_tui.dataset.writing.publish import publish
from deepsynth_tui.dataset.writing.report import REPORT, Report, write_flaws
from deepsynth_tui.runs import atomic

log = logging.getLogger(__name__)

# By so many documents the size of the dataset is told before anything is written.
TRIAL_DOCUMENTS = 8

Verdict = Literal["completed", "stopped"]


def generate(config: DatasetConfig, folder: Path, listener: Listener) -> Verdict:
    """Make the dataset that `config` describes, in `folder`, or go on with one that is begun.

    Until it is whole it is called `<folder>.partial`, and stays so when stopped or failed; called
    again, with the same documents and settings, this goes on from the shards that are finished.
    Where `folder` is whole, it is only uploaded.
    Raises `DatasetError`s, and `OSError` where the disk does not play along.
    """
    listener.phase("reading", config.source_paths)
    manifest = Manifest.of(config, renderer(config).font_name)
    if is_whole(folder, manifest):
        log.info("%s is whole already", folder)
    else:
        source = open_documents(config)
        # Reads most sources through: what is wrong with them is known before anything is made.
        total = source.count()
        unfinished = Unfinished.open(folder, manifest)
        try:
            _make_shards(config, source, total, unfinished, listener)
        except Stopped:
            made = Report(unfinished.finished()).tally.documents
            listener.result(documents=made, partial=str(unfinished.partial))
            return "stopped"
        _finish(config, source, unfinished, listener)
    listener.result(dataset=str(folder))
    if config.output.push_to_hub and config.output.hub_repo_id:
        listener.phase("writing", f"uploading to {config.output.hub_repo_id}")
        address = publish(folder, config.output.hub_repo_id, private=config.output.hub_private)
        listener.result(hub=address)
    listener.phase("done", str(folder))
    return "completed"


def _make_shards(
    config: DatasetConfig,
    source: Source | Mixture,
    total: int | None,
    unfinished: Unfinished,
    listener: Listener,
) -> None:
    """Make every shard that is not there yet. Raises `Stopped` when asked to."""
    output = config.output
    _say_what_comes(config, source, total, unfinished.manifest.font)
    documents = _checked_for_space(source.documents(), config, unfinished, total)
    groups = deal(documents, size=output.shard_size, eval_fraction=output.eval_fraction)
    notices = map(str, source.notices)
    listener.phase("drawing", "; ".join([unfinished.manifest.font, *notices]))
    watch = Watch(listener, total, unfinished.kept_documents)
    try:
        with crew_of(config, unfinished.shards, watch.look) as crew:
            for shard in make_shards(unfinished.lacking(groups), crew, watch.look):
                watch.finished(shard.tally.read)
                log.info("shard %s: %d documents", shard.name, shard.rows)
    finally:
        unfinished.sweep()
    watch.all_finished()


def _finish(
    config: DatasetConfig, source: Source | Mixture, unfinished: Unfinished, listener: Listener
) -> None:
    """Put all shards together, describe them, and give the dataset its name."""
    report = Report(unfinished.finished())
    made, skipped = report.tally, report.tally.read - report.tally.documents
    for warning in (*report.warnings(unfinished.manifest.font), *_empty_split(config, report)):
        listener.warning(warning)
    if not made.documents:
        raise _nothing(source, report)
    listener.phase("writing", str(unfinished.folder))
    _describe(config, unfinished, report)
    unfinished.assemble()
    unfinished.publish()
    log.info("%d documents on %d pages, %d left out", made.documents, made.pages, skipped)
    listener.result(documents=made.documents, pages=made.pages, skipped=skipped)


def _say_what_comes(
    config: DatasetConfig, source: Source | Mixture, total: int | None, font: str
) -> None:
    paper = sheet(config.page)
    known = "documents" if total is None else f"{total} documents"
    log.info("%s: %s, text from column %s", config.source_paths, known, source.text_column)
    log.info("drawing with %s on %d x %d pixels", font, paper.width, paper.height)


def _checked_for_space(
    documents: Iterator[Document], config: DatasetConfig, unfinished: Unfinished, total: int | None
) -> Iterator[Document]:
    """Return `documents`, once what is still to be made has been seen to fit on the disk."""
    first = list(islice(documents, TRIAL_DOCUMENTS))
    draws = renderer(config)
    outcomes = [draw_document(document, config, draws) for document in first]
    drawn = [outcome for outcome in outcomes if isinstance(outcome, DrawnDocument)]
    left = None if total is None else total - unfinished.kept_documents
    check_space(unfinished.folder, needed_bytes(drawn, left))
    return chain(first, documents)


def _describe(config: DatasetConfig, unfinished: Unfinished, report: Report) -> None:
    """Write what there is to know of the dataset beside the shards."""
    folder, paper = unfinished.partial, sheet(config.page)
    page = {**config.page.model_dump(), "width": paper.width, "height": paper.height}
    figures = report.to_json(font=unfinished.manifest.font, page=page)
    text = json.dumps(figures, ensure_ascii=False, indent=2)
    atomic.replace(folder / REPORT, text.encode() + b"\n", durable=True)
    about = card(config, unfinished.manifest.settings, figures)
    atomic.replace(folder / "README.md", about.encode(), durable=True)
    write_flaws(folder, unfinished.finished(), {s.name: path for s, path in unfinished.placed()})
    unfinished.manifest.with_files(unfinished.placed()).write(folder)


def _empty_split(config: DatasetConfig, report: Report) -> Iterator[str]:
    if config.output.eval_fraction and TEST not in report.splits:
        yield (
            f"none of the {report.tally.documents} documents fell into the split {TEST}: "
            "output.eval_fraction is small for so few"
        )


def _nothing(source: Source | Mixture, report: Report) -> NoDocuments:
    tally = report.tally
    if not tally.read:
        return NoDocuments("the source holds no documents", "Choose another one.", "source.path")
    reasons = ", ".join(f"{one.documents} {reason}" for reason, one in tally.skipped.items())
    return NoDocuments(
        f"none of the {tally.read} documents could be used: {reasons}",
        f"Check that {source.text_column!r} is the column of text, and that page.font can draw "
        "its script.",
        "source.text_column",
    )
