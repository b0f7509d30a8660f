"""Check everything that a search names before anything starts, and report all problems at once."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.fields import FieldSpec, fields_by_key
from deepsynth_tui.config.load import LoadedConfig, load_file, load_text
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.config.search import OF_ANSWERS, SearchConfig
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.queue.admission import ELSEWHERE
from deepsynth_tui.search.price import price_per_hour
from deepsynth_tui.search.space import Choices, Parameter, Range, Space, grid, grid_points
from deepsynth_tui.training.preflight import check

DEFAULT_TRIALS = 8
EVALUATIONS = 8
"""How often a trial is evaluated for the pruner if the base does not say."""
DEFAULT_PARAMETER = "training.learning_rate"
DEFAULT_FACTOR = 10
RANGE_KEYS = {"low", "high", "log", "points"}
NOT_TUNED = {"name", "datasets", "training.eval_steps", "training.eval_on_start"}
"""Settings that say nothing about the result, or that the search sets itself."""
NOT_TUNED_SECTIONS = ("output", "data")


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """The configuration of a trial, and its YAML."""

    config: TrainingConfig
    text: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A search that can start.

    Attributes:
        base: The configuration of the training run to tune.
        base_text: Its YAML.
        space: What is tried.
        trials: The number of trials.
        points: The number of grid values of each parameter; empty without a grid.
        overrides: What every trial sets, as `key=value`.
        notices: What was set or chosen, for the user.
    """

    base: TrainingConfig
    base_text: str
    space: Space
    trials: int
    points: Mapping[str, int]
    overrides: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def evaluation_steps(self) -> int | None:
        """The steps between two evaluations of a trial, None if it is evaluated at its end only."""
        return self.trial({}).config.training.eval_steps

    def base_value(self, key: str) -> Any:
        """Return the value of a setting in the base."""
        return yaml_text.lookup(self.base.model_dump(), key)

    def trial(self, values: Mapping[str, Any], *more: str) -> TrialConfig:
        """Return the configuration of a trial with these values, and `more` overrides.

        Raises ConfigError if the values do not go together.
        """
        tuned = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        loaded = load_text(self.base_text, [*self.overrides, *tuned, *more])
        assert isinstance(loaded.config, TrainingConfig)  # as the base is
        return TrialConfig(loaded.config, loaded.text)

    def best(self, values: Mapping[str, Any]) -> str:
        """Return the YAML of the base with these values."""
        tuned = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        return load_text(self.base_text, tuned).text


def prepare(config: SearchConfig, path: Path, *, base_text: str | None = None) -> Prepared:
    """Check the search in the file `path`, without starting anything.

    `base_text` is the frozen base of a search that is resumed; else it is read from its file.

    Raises ConfigError with every problem.
    """
    file = str(path)
    try:
        loaded = _load_base(config, path, base_text)
    except ConfigError as error:
        raise ConfigError([_of_base(problem, file) for problem in error.problems]) from None
    base = loaded.config
    if not isinstance(base, TrainingConfig):
        problem = Problem("base", f"is of kind {base.kind}", "a search tunes a training run", file)
        raise ConfigError([problem])
    problems: list[Problem] = []
    space = _space(config, base, loaded.text, problems)
    points = _points(config, space, problems) if space else {}
    problems += _metric_problems(config, base)
    if config.max_cost is not None and price_per_hour() is None:
        hint = "give max_hours instead"
        problems.append(Problem("max_cost", "no price of this machine's GPU is known", hint))
    problems = [replace(problem, file=problem.file or file) for problem in problems]
    if base_text is None:
        base_file = str(base_path(config, path))
        of_base = [*check(base), *([ELSEWHERE] if base.launch.target != "local" else [])]
        problems += [replace(problem, file=base_file) for problem in of_base]
    if problems:
        raise ConfigError(problems)
    overrides, notices = _overrides(config, base)
    combinations = len(grid(space, points)) if points else config.trials or DEFAULT_TRIALS
    return Prepared(base, loaded.text, space, combinations, points, overrides, notices)


def base_path(config: SearchConfig, path: Path) -> Path:
    """Return the file of the base of the search in the file `path`."""
    return path.resolve().parent / Path(config.base).expanduser()


def base_changed(config: SearchConfig, path: Path, prepared: Prepared) -> bool:
    """Return whether the file of the base is another than the one that the search began with."""
    try:
        return load_file(base_path(config, path)).config != prepared.base
    except ConfigError:
        return True


def _load_base(config: SearchConfig, path: Path, text: str | None) -> LoadedConfig:
    if text is not None:
        return load_text(text, of_run=True)
    if not config.base:
        raise ConfigError([Problem("base", "no training run chosen", "the path of its YAML file")])
    return load_file(base_path(config, path))


def _of_base(problem: Problem, file: str) -> Problem:
    """Say of a problem of the base where it is."""
    if problem.key == "base":
        return replace(problem, file=file)
    return problem


def _space(
    config: SearchConfig, base: TrainingConfig, text: str, problems: list[Problem]
) -> dict[str, Parameter]:
    fields = fields_by_key(TrainingConfig)
    if not config.parameters:
        rate = base.training.learning_rate
        return {DEFAULT_PARAMETER: Range(rate / DEFAULT_FACTOR, rate * DEFAULT_FACTOR, log=True)}
    space: dict[str, Parameter] = {}
    for key, values in config.parameters.items():
        named = f"parameters.{key}"
        field = fields.get(key)
        if field is None:
            close = difflib.get_close_matches(key, fields, n=1, cutoff=0.6)
            names = [known for known in fields if known.rpartition(".")[2] == key]
            hint = f"did you mean {(names or close)[0]}?" if names or close else ""
            problems.append(Problem(named, "is not a setting of a training run", hint))
        elif key in NOT_TUNED or key.partition(".")[0] in NOT_TUNED_SECTIONS:
            problems.append(Problem(named, "cannot be searched", "it does not change the training"))
        elif parameter := _parameter(named, field, values, problems):
            tried = _ends(parameter)
            wrong = [p for value in tried if (p := _value_problem(key, value, text))]
            problems += [replace(problem, key=named, file="", line=0) for problem in wrong]
            space[key] = parameter
    return space


def _parameter(
    named: str, field: FieldSpec, values: Any, problems: list[Problem]
) -> Parameter | None:
    if isinstance(values, list):
        texts = [json.dumps(value) for value in values]
        if not values or len(set(texts)) < len(texts):
            reason = "has a value more than once" if values else "has no values"
            problems.append(Problem(named, reason, "list each value once"))
            return None
        return Choices(tuple(values))
    before = len(problems)
    unknown = sorted(set(values) - RANGE_KEYS)
    problems += [Problem(f"{named}.{key}", "is not a key of a range") for key in unknown]
    if field.kind not in ("int", "float"):
        problems.append(Problem(named, "is no number, so it has no range", "list the values"))
        return None
    low, high, log = values.get("low"), values.get("high"), values.get("log", False)
    if not _is_number(low) or not _is_number(high) or low >= high:
        problems.append(Problem(named, "needs numbers low and high, low below high"))
    elif field.kind == "int" and not (isinstance(low, int) and isinstance(high, int)):
        problems.append(Problem(named, "is an integer, so low and high must be"))
    elif log is True and low <= 0:
        problems.append(Problem(f"{named}.low", "must be above 0 for log: true"))
    if not isinstance(log, bool):
        problems.append(Problem(f"{named}.log", "must be true or false"))
    points = values.get("points")
    if points is not None and (not isinstance(points, int) or points < 2):
        problems.append(Problem(f"{named}.points", "must be an integer >= 2"))
    if len(problems) > before:
        return None
    return Range(low, high, bool(log), field.kind == "int", points)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _ends(parameter: Parameter) -> tuple[Any, ...]:
    if isinstance(parameter, Range):
        return parameter.low, parameter.high
    return parameter.values


def _value_problem(key: str, value: Any, text: str) -> Problem | None:
    """Return what is wrong with a single value of a parameter."""
    try:
        load_text(text, [f"{key}={json.dumps(value)}"], estimate_only=True)
    except ConfigError as error:
        return next((problem for problem in error.problems if problem.key == key), None)
    return None


def _points(config: SearchConfig, space: Space, problems: list[Problem]) -> dict[str, int]:
    if config.method != "grid":
        return {}
    points = grid_points(space, config.trials)
    for key in [key for key, count in points.items() if count == 0]:
        hint = "set points, or trials to a multiple of the other combinations"
        problems.append(Problem(f"parameters.{key}", "has no number of values for a grid", hint))
        points[key] = 2
    combinations = len(grid(space, points))
    if config.trials is not None and config.trials < combinations and not problems:
        message = f"is {config.trials}, and the grid has {combinations} combinations"
        problems.append(Problem("trials", message, "leave it out, or try fewer values"))
    return points


def _metric_problems(config: SearchConfig, base: TrainingConfig) -> list[Problem]:
    """Return why no trial would report the metric."""
    data = base.data
    if not data.eval_path and not data.eval_fraction:
        hint = "set data.eval_fraction or data.eval_path in it"
        return [Problem("metric", f"the base holds no rows out, so no {config.metric}", hint)]
    if config.metric in OF_ANSWERS and not base.training.generate_eval_samples:
        hint = "set training.generate_eval_samples in it, or use eval_loss"
        return [Problem("metric", f"the base generates no answers, so no {config.metric}", hint)]
    return []


def _overrides(
    config: SearchConfig, base: TrainingConfig
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what every trial sets besides its parameters, and the notices about it."""
    overrides, notices = [], []
    if config.pruner != "none" and base.training.eval_steps is None:
        if base.training.max_steps > 0:
            steps = max(1, base.training.max_steps // EVALUATIONS)
            overrides.append(f"training.eval_steps={steps}")
            notices.append(f"Trials are evaluated every {steps} steps, for the pruner.")
        else:
            notices.append(
                "The base sets no training.eval_steps: trials are evaluated only at their end, and "
                "none is pruned."
            )
    if base.output.push_to_hub or base.output.push_checkpoints:
        overrides += ["output.push_to_hub=false", "output.push_checkpoints=false"]
        notices.append("Trials are not uploaded; best.yaml keeps the upload of the base.")
    return tuple(overrides), tuple(notices)
