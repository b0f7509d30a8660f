"""The steps from a configuration to a dataset on disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from PIL import Image

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.export_formats import ExportFormatName
from deepsynth_tui.conversations.dataset import read, split_names
from deepsynth_tui.dataset.draw_document import DrawnDocument, cached_renderer, draw_document
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry
from deepsynth_tui.dataset.drawing.renderer import RenderedPage
from deepsynth_tui.dataset.errors import NoDocuments
from deepsynth_tui.dataset.progress import JobLike, ProgressTracker, StopRequested
from deepsynth_tui.dataset.reading.mixture import Mixture, open_documents
from deepsynth_tui.dataset.reading.reader import left_out_text, unexpectedly_left_out
from deepsynth_tui.dataset.reading.sources import Document, Source
from deepsynth_tui.dataset.writing.backends import create_backend
from deepsynth_tui.dataset.writing.dataset_card import CARD_FILE, dataset_card, updated_card
from deepsynth_tui.dataset.writing.disk_space import check_space, estimate_bytes
from deepsynth_tui.dataset.writing.dispatch import write_shards
from deepsynth_tui.dataset.writing.document_batches import TEST, DocumentBatch, batch_documents
from deepsynth_tui.dataset.writing.manifest import Manifest
from deepsynth_tui.dataset.writing.partial_dataset import PartialDataset, is_complete
from deepsynth_tui.dataset.writing.publish import publish
from deepsynth_tui.dataset.writing.report import REPORT_FILE, Report, write_flaws
from deepsynth_tui.dataset.writing.tally import LONG_ROW_IMAGES, Tally
from deepsynth_tui.export.export import export
from deepsynth_tui.page_thumbnail import CELL_WIDTH, braille_lines
from deepsynth_tui.runs import atomic

log = logging.getLogger(__name__)

# The size of the dataset is estimated from this many documents before anything is written.
SAMPLE_DOCUMENTS = 8
MAX_PAGE_COLUMNS = 128  # braille characters of the first page, for the monitor

Verdict = Literal["completed", "stopped"]


def generate(config: DatasetConfig, folder: Path, job: JobLike) -> Verdict:
    """Generate the dataset of `config` in `folder`, or continue an earlier run.

    Until the dataset is complete it is called `<folder>.partial`, also after the job was stopped
    or has failed. Another call with the same documents and settings continues from the finished
    shards. If `folder` is complete, it is only uploaded.

    Raises:
        DatasetError: the source, the settings, the disk or the Hub does not allow it.
        OSError: a file cannot be written.
    """
    job.phase("reading", config.source_paths)
    manifest = Manifest.of(config, cached_renderer(config).font_name)
    if is_complete(folder, manifest):
        log.info("%s is already complete", folder)
        _update_card(config, folder)
    else:
        source = open_documents(config)
        # Counting reads most sources to their end: a broken source fails before any drawing.
        total = source.count()
        dataset = PartialDataset.open(folder, manifest)
        try:
            _draw(config, source, total, dataset, job)
        except StopRequested:
            documents = Report(dataset.finished()).tally.documents
            job.result(documents=documents, partial=str(dataset.partial))
            return "stopped"
        report = _report(config, source, dataset, job)
        _finish(config, source, dataset, report, job)
    job.result(dataset=str(folder))
    for format_name in config.output.formats:
        _export(folder, format_name, job)
    if config.output.push_to_hub and config.output.hub_repo_id:
        job.phase("writing", f"uploading to {config.output.hub_repo_id}")
        url = publish(folder, config.output.hub_repo_id, private=config.output.hub_private)
        job.result(hub=url)
    job.phase("done", str(folder))
    return "completed"


def _draw(
    config: DatasetConfig,
    source: Source | Mixture,
    total: int | None,
    dataset: PartialDataset,
    job: JobLike,
) -> None:
    """Draw all documents whose shards are missing. Raises `StopRequested`."""
    _log_settings(config, source, total, dataset.manifest.font)
    batches = _missing_batches(config, source, total, dataset, job)
    notices = map(str, source.notices)
    job.phase("drawing", "; ".join([dataset.manifest.font, *source.contents, *notices]))
    progress = ProgressTracker(job, total, dataset.kept_documents)
    tally = Report(dataset.finished()).tally
    try:
        with create_backend(config, dataset.shards, progress.report_and_check_stop) as backend:
            for shard in write_shards(batches, backend, progress.report_and_check_stop):
                progress.add_finished(shard.tally.documents_read)
                tally.merge(shard.tally)
                _report_drawn(tally, job)
                log.info("shard %s: %d documents", shard.name, shard.tally.documents)
    finally:
        dataset.remove_temporary_files()
    progress.report_end()


def _report_drawn(tally: Tally, job: JobLike) -> None:
    left_out = {reason: skipped.documents for reason, skipped in tally.skipped.items()}
    job.drawn(documents=tally.documents, pages=tally.pages, rows=tally.rows, left_out=left_out)


def _export(folder: Path, format_name: ExportFormatName, job: JobLike) -> None:
    """Write the complete dataset in another format beside it, unless that was done before."""
    exported = folder.with_name(f"{folder.name}-{format_name}")
    if exported.exists():
        return
    job.phase("writing", str(exported))
    path = str(folder)
    splits = {split: read(path, split=split) for split in split_names(path)}
    report = export(splits, format_name, exported, dataset=folder.name)
    for warning in report.warnings():
        job.warning(f"{exported.name}: {warning}")
    log.info("%s: %d rows in the format %s", exported, report.written.total(), format_name)


def _missing_batches(
    config: DatasetConfig,
    source: Source | Mixture,
    total: int | None,
    dataset: PartialDataset,
    job: JobLike,
) -> Iterator[DocumentBatch | None]:
    """Return the batches still to be drawn, once their pages are known to fit on the disk."""
    documents = source.documents()
    sample = list(islice(documents, SAMPLE_DOCUMENTS))
    remaining = None if total is None else total - dataset.kept_documents
    drawn = _draw_sample(sample, config)
    check_space(dataset.folder, estimate_bytes(drawn, remaining))
    if pages := [page for document in drawn for row in document.rows for page in row.pages]:
        job.first_page(_in_braille(pages[0]))
    batches = batch_documents(
        chain(sample, documents),
        size=config.output.shard_size,
        eval_fraction=config.output.eval_fraction,
    )
    return dataset.missing_batches(batches)


def _in_braille(page: RenderedPage) -> list[str]:
    with Image.open(BytesIO(page.image)) as image:
        return braille_lines(image, min(MAX_PAGE_COLUMNS, -(-image.width // CELL_WIDTH)))


def _draw_sample(sample: list[Document], config: DatasetConfig) -> list[DrawnDocument]:
    renderer = cached_renderer(config)
    drawn = (draw_document(document, config, renderer) for document in sample)
    return [document for document in drawn if isinstance(document, DrawnDocument)]


def _report(
    config: DatasetConfig, source: Source | Mixture, dataset: PartialDataset, job: JobLike
) -> Report:
    """Return the report on all shards, and send its warnings. Raises `NoDocuments`."""
    report = Report(dataset.finished())
    for warning in (
        *_files_left_out(source),
        *report.warnings(dataset.manifest.font),
        *_empty_split(config, report),
        *_long_rows(config, report),
    ):
        job.warning(warning)
    if not report.tally.documents:
        raise _no_documents(source, report)
    return report


def _finish(
    config: DatasetConfig,
    source: Source | Mixture,
    dataset: PartialDataset,
    report: Report,
    job: JobLike,
) -> None:
    """Write the files beside the shards, and give the dataset its final form and name."""
    job.phase("writing", str(dataset.folder))
    _write_metadata(config, source, dataset, report)
    dataset.assemble()
    dataset.finalize()
    tally = report.tally
    skipped = tally.documents_read - tally.documents
    log.info(
        "%d documents on %d pages in %d rows, %d skipped; the largest row holds %d images "
        "(document %s)",
        tally.documents,
        tally.pages,
        tally.rows,
        skipped,
        tally.largest_row.images,
        tally.largest_row.source_id,
    )
    job.result(documents=tally.documents, pages=tally.pages, rows=tally.rows, skipped=skipped)


def _write_metadata(
    config: DatasetConfig, source: Source | Mixture, dataset: PartialDataset, report: Report
) -> None:
    """Write report, card, list of flaws and manifest."""
    folder, paper = dataset.partial, PageGeometry.from_settings(config.page)
    page = {**config.page.model_dump(), "width": paper.width, "height": paper.height}
    report_json = report.to_json(
        font=dataset.manifest.font, page=page, files_left_out=source.left_out
    )
    text = json.dumps(report_json, ensure_ascii=False, indent=2)
    atomic.replace(folder / REPORT_FILE, text.encode() + b"\n", durable=True)
    card = dataset_card(config, dataset.manifest.settings, report_json)
    atomic.replace(folder / CARD_FILE, card.encode(), durable=True)
    paths = {shard.name: path for shard, path in dataset.files()}
    write_flaws(folder, dataset.finished(), paths)
    dataset.manifest.with_files(dataset.files()).write(folder)


def _update_card(config: DatasetConfig, folder: Path) -> None:
    """Write the name, license and language of `config` into the card of a complete dataset."""
    path = folder / CARD_FILE
    if path.exists() and (card := path.read_text(encoding="utf-8")).startswith("---\n"):
        updated = updated_card(card, config)
        if updated != card:
            atomic.replace(path, updated.encode(), durable=True)


def _log_settings(
    config: DatasetConfig, source: Source | Mixture, total: int | None, font: str
) -> None:
    paper = PageGeometry.from_settings(config.page)
    documents = "documents" if total is None else f"{total} documents"
    log.info("%s: %s, text from column %s", config.source_paths, documents, source.text_column)
    log.info("drawing with %s on %d x %d pixels", font, paper.width, paper.height)


def _files_left_out(source: Source | Mixture) -> Iterator[str]:
    if left_out := unexpectedly_left_out(source.left_out):
        yield f"files of the source that are not read: {left_out_text(left_out)}"


def _empty_split(config: DatasetConfig, report: Report) -> Iterator[str]:
    if config.output.eval_fraction and TEST not in report.splits:
        yield (
            f"the split {TEST} is empty: output.eval_fraction is too small for "
            f"{report.tally.documents} documents"
        )


def _long_rows(config: DatasetConfig, report: Report) -> Iterator[str]:
    long, largest = report.tally.long_rows, report.tally.largest_row
    if not long.count:
        return
    has_answers = any(
        source.target_column or source.question_column for source in config.all_sources
    )
    advice = "" if has_answers else ": rows: page, or {characters: N}, makes them shorter"
    yield (
        f"{long.count} rows hold more than {LONG_ROW_IMAGES} images, which few models can be "
        f"trained on{advice}; the largest holds {largest.images} (document {largest.source_id})"
    )


def _no_documents(source: Source | Mixture, report: Report) -> NoDocuments:
    tally = report.tally
    if not tally.documents_read:
        return NoDocuments("the source holds no documents", "Choose another source.", "source.path")
    reasons = ", ".join(
        f"{skipped.documents} {reason}" for reason, skipped in tally.skipped.items()
    )
    return NoDocuments(
        f"none of the {tally.documents_read} documents could be used: {reasons}",
        f"Check that {source.text_column!r} is the text column, and that page.font supports its "
        "script.",
        "source.text_column",
    )
