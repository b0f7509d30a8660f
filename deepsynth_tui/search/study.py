"""What Optuna decides in a search. The only module that imports it.

The storage is Optuna's journal file: an append-only log whose lines are flushed to disk. A kill can
tear its last line only, which is cut off when the search is resumed. SQLite would do as well, but
imports SQLAlchemy, and its write-ahead log needs a file system with byte-range locks.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.importance import get_param_importances
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState

from deepsynth_tui.config.search import METRICS, SearchConfig
from deepsynth_tui.search.folder import SearchFolder
from deepsynth_tui.search.prepare import Prepared
from deepsynth_tui.search.space import Value, grid, spread

REDUCTION_FACTOR = 8
"""Successive halving lets one of so many trials go on to its end, and at least one."""
RUNG_FRACTION = 4
"""It pauses them after one of so many parts of their steps. At an eighth, which is hardly more than
the warmup, high learning rates look best that are not (`tests.benchmarks.search_steps`)."""
MEDIAN_STARTUP_TRIALS = 2
SPREAD_FRACTION = 4
"""One of so many trials, besides the first, is spread evenly over the parameters."""
FEW_TRIALS = 4
"""With fewer completed trials, importance would be noise."""
SEED_STRIDE = 1_000_003
CONTINUES = "continues"
"""Attribute of a trial that goes on with the run of an earlier one: its number."""


class _HeldLock(JournalFileSymlinkLock):
    """The lock of the journal: the process holds that of the whole search already. Optuna's own
    lock files outlive a kill."""

    def acquire(self) -> bool:
        """Return that the lock is held."""
        return True

    def release(self) -> None:
        """Keep the lock."""


class Study:
    """The trials of a search, in its folder. The caller holds `search_lock`."""

    def __init__(self, folder: SearchFolder, config: SearchConfig, prepared: Prepared) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "`gamma` has been deprecated", FutureWarning)
        _cut_off_torn_line(folder.journal)
        backend = JournalFileBackend(str(folder.journal), lock_obj=_HeldLock(str(folder.journal)))
        self._config = config
        self._count = prepared.trials
        self._rung = _rung(config, prepared)
        self._space = prepared.space
        self._study = optuna.create_study(
            storage=JournalStorage(backend),
            study_name=config.name,
            direction=METRICS[config.metric],
            pruner=_pruner(config),
            load_if_exists=True,
        )
        for values in _first_values(config, prepared):
            self._study.enqueue_trial(values, skip_if_exists=True)

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials that have begun, in their order."""
        trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state is not TrialState.WAITING]

    @property
    def active(self) -> list[FrozenTrial]:
        """The trials that have no result yet."""
        return [trial for trial in self.trials if trial.state is TrialState.RUNNING]

    @property
    def best(self) -> FrozenTrial | None:
        """The completed trial with the best value."""
        completed = [trial for trial in self.trials if trial.state is TrialState.COMPLETE]
        return self._study.best_trial if completed else None

    @property
    def has_next(self) -> bool:
        """Whether there are trials that have not begun."""
        trials = self._study.get_trials(deepcopy=False)
        new = sum(CONTINUES not in trial.user_attrs for trial in self.trials)
        return new < self._count or any(trial.state is TrialState.WAITING for trial in trials)

    def continue_best(self) -> bool:
        """Let the best of the trials that successive halving has paused go on to their end. Return
        whether any does.

        A trial that goes on is a new one in the journal, as Optuna changes none that has ended.
        """
        trials = self._study.get_trials(deepcopy=False)
        paused = [trial for trial in trials if trial.user_attrs.get("paused")]
        begun = {trial.user_attrs.get(CONTINUES) for trial in trials}
        sign = 1 if METRICS[self._config.metric] == "minimize" else -1
        paused = [trial for trial in paused if math.isfinite(_last_value(trial))]
        paused.sort(key=lambda trial: sign * _last_value(trial))
        completed = sum(
            CONTINUES in trial.user_attrs and trial.state is TrialState.COMPLETE for trial in trials
        )
        count = max(1, self._count // REDUCTION_FACTOR) - completed
        chosen = [trial for trial in paused if trial.number not in begun][: max(0, count)]
        for trial in chosen:
            self._study.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number})
        return bool(chosen)

    def begin(self) -> FrozenTrial:
        """Begin a trial. Its values are chosen by `values`, which can be called again."""
        # A sampler of its own for each trial: after a kill it would start from its seed again.
        self._study.sampler = _sampler(self._config, len(self.trials))
        trial = self._study.ask()
        return self._frozen(trial.number)

    def values(self, trial: FrozenTrial) -> dict[str, Value]:
        """Return the values of a trial, those that are missing yet chosen now."""
        self._study.sampler = _sampler(self._config, trial.number)
        chooser = self._trial(trial)
        return {key: parameter.suggest(chooser, key) for key, parameter in self._space.items()}

    def report(self, trial: FrozenTrial, values: Mapping[int, float]) -> bool:
        """Store the metric by step, up to the one at which the trial should be pruned, if any.
        Return whether it should: the estimator ranks trials that got further as better."""
        reported = self._frozen(trial.number).intermediate_values
        for step in sorted(values.keys() - reported.keys()):
            handle = self._trial(trial)
            handle.report(values[step], step)
            if handle.should_prune() or self._is_on_rung(trial, step):
                return True
        return False

    def _is_on_rung(self, trial: FrozenTrial, step: int) -> bool:
        """Whether successive halving pauses a trial at this step."""
        return self._rung is not None and step >= self._rung and CONTINUES not in trial.user_attrs

    def note(self, trial: FrozenTrial, name: str, value: object) -> None:
        """Store something about a trial; it survives a kill."""
        self._trial(trial).set_user_attr(name, value)

    def complete(self, trial: FrozenTrial, value: float) -> None:
        """Store the final value of a trial."""
        self._study.tell(trial.number, value)

    def prune(self, trial: FrozenTrial) -> None:
        """Store that a trial ended early."""
        self._study.tell(trial.number, state=TrialState.PRUNED)

    def fail(self, trial: FrozenTrial) -> None:
        """Store that a trial has no result."""
        self._study.tell(trial.number, state=TrialState.FAIL)

    def importance(self) -> dict[str, float] | str:
        """Return the importance of each parameter, with sum 1, or why there is none."""
        completed = sum(trial.state is TrialState.COMPLETE for trial in self.trials)
        if len(self._space) < 2:
            return "only one parameter was tried"
        if completed < FEW_TRIALS:
            return f"too few completed trials: {completed} of {FEW_TRIALS}"
        try:
            return dict(get_param_importances(self._study))
        except (ValueError, RuntimeError) as error:  # such as equal values of all trials
            return str(error)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _trial(self, trial: FrozenTrial) -> Trial:
        return Trial(self._study, trial._trial_id)


def _sampler(config: SearchConfig, number: int) -> optuna.samplers.BaseSampler:
    seed = (config.seed * SEED_STRIDE + number) % 2**32
    if config.method == "tpe":  # its first trials are those of `_first_values`
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=1, gamma=_good_trials, constant_liar=True
        )
    return optuna.samplers.RandomSampler(seed=seed)


def _good_trials(count: int) -> int:
    """Return how many of the trials the Parzen estimator takes for good: a quarter.

    Optuna's tenth is a single one in a search of eight trials; in simulated searches for a learning
    rate, the best value was then half again as far from the optimum.
    """
    return max(2, math.ceil(count / 4))


def _pruner(config: SearchConfig) -> optuna.pruners.BasePruner:
    if config.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=MEDIAN_STARTUP_TRIALS)
    return optuna.pruners.NopPruner()


def _rung(config: SearchConfig, prepared: Prepared) -> int | None:
    """Return the step at which successive halving pauses trials, that of an evaluation. None if
    nothing is paused.

    Optuna's pruner is asynchronous: one trial at a time, it lets each that is the best so far run
    to its end, which saves little. Here every trial gets as far as the rung, and is paused with a
    checkpoint; then the best go on (Jamieson and Talwalkar 2016, with two rungs).
    """
    steps, total = prepared.evaluation_steps, prepared.base.training.max_steps
    if config.pruner != "halving" or not steps or prepared.trials < 2:
        return None
    return steps * max(1, math.ceil(total / RUNG_FRACTION / steps)) if total > 0 else steps


def _last_value(trial: FrozenTrial) -> float:
    return trial.intermediate_values[max(trial.intermediate_values)]


def _first_values(config: SearchConfig, prepared: Prepared) -> list[dict[str, Value]]:
    """Return the trials that are not left to the sampler.

    These are a whole grid; else the values of the base and, before the Parzen estimator has data,
    values that are spread evenly.
    """
    if config.method == "grid":
        return grid(prepared.space, prepared.points)
    values = {
        key: parameter.stored(prepared.base_value(key)) for key, parameter in prepared.space.items()
    }
    first = [] if None in values.values() else [values]
    if config.method == "tpe":
        first += spread(prepared.space, math.ceil(prepared.trials / SPREAD_FRACTION))
    return first[: prepared.trials]


def _cut_off_torn_line(journal: Path) -> None:
    """Cut off what a kill has left of the last line; Optuna would append to it."""
    if not journal.exists():
        return
    with journal.open("r+b") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            file.truncate(end)
            os.fsync(file.fileno())
