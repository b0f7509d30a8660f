"""The step of a run that decides whether to cache page features, and encodes the pages."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader

from deepsynth_tui.estimate.page_features import count_evaluations
from deepsynth_tui.runs import atomic
from deepsynth_tui.training.data.count_rows import worker_count
from deepsynth_tui.training.data.workers import choose_workers
from deepsynth_tui.training.estimate_record import publish_estimate
from deepsynth_tui.training.evaluation.generate import evaluation_mode
from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.features.batch import PAGES
from deepsynth_tui.training.features.cache import PageFeatureCache
from deepsynth_tui.training.features.decide import DataSeconds, Decision, PageUse, decide
from deepsynth_tui.training.features.find_pages import PageLocation, UnencodedPages, find_pages
from deepsynth_tui.training.features.keys import page_key
from deepsynth_tui.training.features.tower import FeaturesUnsupported
from deepsynth_tui.training.modeling.load import current_device

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.estimate_record import RunEstimate
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.run import TrainingData, TrainingRun

    Model = PeftModel | PreTrainedModel

log = logging.getLogger(__name__)

KEY = "training.cache_features"
DECISION_FILE = "page-features.json"
"""In the run directory: whether the run caches features, so that a resumed run does the same."""
TOLERANCE = 0.02
"""Of the largest logit. Without the cache the pages of a row are encoded together, which changes
last bits; features that the model ignores or confuses change everything."""
ROOM_INTERVAL = 64
"""Pages between two looks at the room on the disk."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the pages of a run are, and the hashes of those to encode if features are cached."""

    decision: Decision
    located: Mapping[str, PageLocation]
    missing: Sequence[str]


def cache_page_features(
    run: TrainingRun,
    base: LoadedModel,
    model: Model,
    data: TrainingData,
    estimate: RunEstimate | None,
) -> RunEstimate | None:
    """Encode the pages of a run and give the cache to the collator, if features are cached.

    Returns the estimate of the run, a new one if it assumed the contrary.

    Raises:
        TrainingError: `training.cache_features` is on, and they cannot be.
    """
    if run.config.training.cache_features == "off" or not base.reads_images:
        return estimate
    cache = _open(run, base, model)
    if cache is not None:
        try:
            plan = run.ranks.broadcast(
                _plan(run, cache, model, data, estimate) if run.ranks.is_main else None
            )
            if plan is not None and plan.decision.caches:
                _encode(run, cache, data, plan)
                data.collator.features = cache
        finally:
            if data.collator.features is None:
                cache.close()
    return _corrected(run, data, estimate)


def _corrected(
    run: TrainingRun, data: TrainingData, estimate: RunEstimate | None
) -> RunEstimate | None:
    """Return the estimate of what was decided."""
    caches = data.collator.features is not None
    if estimate is None or caches == (estimate.estimate.page_features is not None):
        return estimate
    training = run.config.training.model_copy(update={"cache_features": "on" if caches else "off"})
    decided = run.config.model_copy(update={"training": training})
    return publish_estimate(run.job, decided, data.statistics) or estimate


@contextlib.contextmanager
def page_features_in_use(job: Job, collator: Collator) -> Iterator[None]:
    """Take the cache from the collator after the block, and bring the vision tower back."""
    try:
        yield
    finally:
        features, collator.features = collator.features, None
        if features is not None:
            features.close()
            if features.damaged:
                job.warning(f"{features.damaged} page features were damaged, and computed again")


def _open(run: TrainingRun, base: LoadedModel, model: Model) -> PageFeatureCache | None:
    # The first rank compares features with pixels, and alone it would wait for the others.
    problem = "they are not supported with training.fsdp"
    if not run.config.training.fsdp:
        try:
            return PageFeatureCache.open(base, model, run.config)
        except FeaturesUnsupported as error:
            problem = error.message
        except OSError as error:
            problem = f"their folder cannot be written ({error.strerror})"
    _report(run, Decision(False, problem, is_refused=run.config.training.cache_features == "on"))
    return None


def _plan(
    run: TrainingRun,
    cache: PageFeatureCache,
    model: Model,
    data: TrainingData,
    estimate: RunEstimate | None,
) -> Plan | None:
    """Return what to encode; None if no row has a page, or if asked to stop."""
    run.job.phase("caching", "features of the pages")
    located = find_pages(run.job, data.split)
    if not located:
        return None
    setting = run.config.training.cache_features
    decision = _former_decision(run) if setting == "auto" else None
    if decision is None:
        assert setting != "off"
        try:
            problem = _difference(run, cache, model, data, located)
        except FeaturesUnsupported as error:
            problem = error.message
        if cache.store.is_full:
            problem = f"there is no room in {cache.store.folder}"
        if problem:
            decision = Decision(False, problem, is_refused=setting == "on")
        else:
            decision = decide(setting, _page_use(run, cache, data, located, estimate))
    _report(run, decision)
    content = json.dumps({"caches": decision.caches, "reason": decision.reason})
    atomic.replace(run.job.run.path / DECISION_FILE, content.encode() + b"\n")
    return Plan(decision, located, cache.store.missing(located))


def _report(run: TrainingRun, decision: Decision) -> None:
    if decision.is_refused:
        raise TrainingError(f"{KEY} is on, but {decision.reason}", "Set it to auto or off.", KEY)
    if run.ranks.is_main:
        log.info(
            "page features are %s: %s",
            "cached" if decision.caches else "not cached",
            decision.reason,
        )


def _former_decision(run: TrainingRun) -> Decision | None:
    """Return what was decided before the run was interrupted, None if nothing was.

    Last bits of a batch of several pages depend on it.
    """
    path = run.job.run.path / DECISION_FILE
    if not path.is_file():
        return None
    caches = json.loads(path.read_text(encoding="utf-8"))["caches"]
    return Decision(bool(caches), "as before the run was interrupted")


def _difference(
    run: TrainingRun,
    cache: PageFeatureCache,
    model: Model,
    data: TrainingData,
    located: Mapping[str, PageLocation],
) -> str | None:
    """Compare a row with features and with pixels; return how they differ too much, or None."""
    collator = data.collator
    location = next(iter(located.values()))
    chat = collator.render(location.rows(data.split)[location.position])
    device = next(model.parameters()).device
    pixels = collator.encode([chat])
    collator.features = cache
    try:
        features = collator.encode([chat])
        if any(not torch.equal(features[name], pixels[name]) for name in features.keys() - {PAGES}):
            return "the processor writes another prompt without pixels"
        with evaluation_mode(model):
            inputs = collator.model_inputs(features, device)
            cached = answer_logits(model, inputs, run.config)
            expected = answer_logits(model, pixels, run.config)
    finally:
        collator.features = None
    difference = (cached - expected).abs().max().item()
    if not difference <= TOLERANCE * expected.abs().max().item():
        return f"they change the logits of a row by {difference:.2g}"
    log.info("a row with page features: logits differ by %.2g from those of pixels", difference)
    return None


def _page_use(
    run: TrainingRun,
    cache: PageFeatureCache,
    data: TrainingData,
    located: Mapping[str, PageLocation],
    estimate: RunEstimate | None,
) -> PageUse:
    training = run.config.training
    train = data.split.train
    rows_per_step = (
        training.per_device_train_batch_size
        * training.gradient_accumulation_steps
        * run.ranks.world_size
    )
    drawn = training.num_train_epochs * len(train)
    if training.max_steps > 0:
        drawn = training.max_steps * rows_per_step
    evaluations = count_evaluations(training, round(drawn / rows_per_step))
    in_training = sum(not location.is_held_out for location in located.values())
    missing = cache.store.missing(located)
    stored = next(key for key in located if key not in missing)  # `_difference` has encoded some
    page_bytes = cache.store.entry_bytes(stored)
    return PageUse(
        pages=len(located),
        missing=len(missing),
        uses=drawn * in_training / len(train) + evaluations * (len(located) - in_training),
        page_bytes=page_bytes,
        room=cache.store.make_room(len(missing) * page_bytes, located)
        - (estimate.disk.needed if estimate else 0),
        times=estimate.feature_times if estimate else None,
        data=_data_seconds(run, cache, data, located[stored]),
    )


def _data_seconds(
    run: TrainingRun, cache: PageFeatureCache, data: TrainingData, location: PageLocation
) -> DataSeconds:
    """Measure how long a CPU prepares a page, and how long it reads its features."""
    stored = location.rows(data.split)[location.position].images[location.image]
    start = time.perf_counter()
    cache.unencoded(stored, page_key(stored))
    prepared = time.perf_counter()
    cache.load(stored)
    return DataSeconds(
        pixels=prepared - start,
        features=time.perf_counter() - prepared,
        workers=choose_workers(
            run.config.training,
            on_gpu=current_device().type == "cuda",
            ranks=run.config.processes_per_node,
            batch_bytes=lambda: 0,
            batches=len(data.split.train),
        ).count,
    )


def _encode(run: TrainingRun, cache: PageFeatureCache, data: TrainingData, plan: Plan) -> None:
    """Encode this rank's share of the pages without features."""
    own = plan.missing[run.ranks.rank :: run.ranks.world_size]
    loader = DataLoader(
        UnencodedPages(cache, data.split, plan.located, own),
        batch_size=None,
        num_workers=worker_count(len(own)),
        generator=torch.Generator(),  # else it draws from torch's own, which training uses
    )
    for done, page in enumerate(loader):
        run.job.progress(done, len(own), "pages")
        if run.job.stop_requested() is not None:
            break
        if done % ROOM_INTERVAL == 0 and cache.store.make_room(0, plan.located) < 0:
            cache.store.is_full = True
        cache.encode(page)
    run.ranks.barrier()
    if own:
        log.info("encoded %d pages", cache.encoded)
    if cache.store.is_full:
        run.job.warning(
            "The disk has no room for more page features: the pages without are encoded each time"
        )
