"""Read YAML text into a configuration, or report every problem with it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deepsynth_tui.config import renames, yaml_text
from deepsynth_tui.config.access_tokens import has_token
from deepsynth_tui.config.declared_fields import item_model
from deepsynth_tui.config.fields import (
    FieldSpec,
    as_text,
    fields_by_key,
    sections,
)
from deepsynth_tui.config.kinds import CONFIG_TYPES, Config
from deepsynth_tui.config.leaves import leaves
from deepsynth_tui.config.overrides import OVERRIDE_SOURCE, apply_overrides
from deepsynth_tui.config.presets import find_preset, list_presets
from deepsynth_tui.config.problems import ConfigError, Notice, Problem
from deepsynth_tui.config.rules import broken_rules
from deepsynth_tui.config.setting import Settings
from deepsynth_tui.config.training import TrainingConfig

Model = type[Settings]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking values.

    Attributes:
        config: The configuration, None exactly if there are problems.
        problems: Everything that is wrong.
        notices: What was translated.
        valid_part: The configuration with every field that has a problem at its default, for
            checks of the other fields. None if it still breaks a rule. A field that has to be set,
            such as the path of the dataset, may be empty in it.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...]
    valid_part: Config | None = None


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration from a file. `text` is that of the file, comments included, with every
    missing field added."""

    config: Config
    notices: tuple[Notice, ...]
    text: str


def load_file(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    estimate_only: bool = False,
    of_run: bool = False,
) -> LoadedConfig:
    """Read a YAML file and apply `key=value` overrides.

    Args:
        path: The file.
        overrides: Arguments of `--set`.
        estimate_only: Accept a configuration that can be estimated but not started.
        of_run: The file is that of a run, which had every field that existed at its start. Others
            get the value that keeps the run as it was.

    Raises:
        ConfigError: with every problem.
    """
    try:
        with path.open("rb") as file:  # never more than a bound: it may be a device
            text = file.read(4 * yaml_text.MAX_CHARACTERS + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is not UTF-8 text"
        raise ConfigError([Problem("", f"cannot be read: {reason}", file=str(path))]) from error
    return load_text(text, overrides, file=str(path), estimate_only=estimate_only, of_run=of_run)


def load_text(
    text: str,
    overrides: Sequence[str] = (),
    *,
    file: str = "",
    estimate_only: bool = False,
    of_run: bool = False,
) -> LoadedConfig:
    """Read YAML text and apply `key=value` overrides; see `load_file`.

    Raises:
        ConfigError: with every problem, at its place in `file`.
    """
    try:
        document = yaml_text.parse(text)
    except yaml_text.YamlSyntaxError as error:
        raise ConfigError(
            [Problem("", f"invalid YAML: {error}", file=file, line=error.line)]
        ) from None
    values = _with_values_of_older_runs(document.values) if of_run else document.values
    overridden = apply_overrides(values, overrides)
    result = check_values(overridden.values, estimate_only=estimate_only or of_run)
    problems = [
        *(Problem(key, "is set more than once", "keep one") for key in document.repeated),
        *overridden.problems,
        *result.problems,
    ]
    if result.config is None or problems:
        located = with_places(problems, document.lines, overridden.keys, file)
        raise ConfigError(sorted(located, key=lambda problem: problem.line))
    return LoadedConfig(result.config, result.notices, fill_defaults(text, result.config))


def load_record(values: Mapping[str, Any]) -> TrainingConfig:
    """Return the configuration that a training run wrote beside its results as JSON.

    Fields that did not exist yet get the value that the run had, as with `of_run`.
    """
    return TrainingConfig.model_validate(_with_values_of_older_runs(values))


def check_values(values: Mapping[str, Any], *, estimate_only: bool = False) -> CheckResult:
    """Check values from YAML or a form, and return every problem, not only the first.

    `estimate_only` skips the rules that only prevent a start.
    """
    kind = values.get("kind", "training" if "training" in values or "lora" in values else None)
    if kind == "search":
        return CheckResult(None, (Problem("kind", "is search", "see `search CONFIG`"),), ())
    if not isinstance(kind, str) or kind not in CONFIG_TYPES:
        message = f"unknown kind of run {kind!r}" if "kind" in values else "not set"
        return CheckResult(
            None, (Problem("kind", message, "one of: " + ", ".join(CONFIG_TYPES)),), ()
        )
    model = CONFIG_TYPES[kind]
    values, notices = _translate_names(values, model)
    values, problems = _apply_lora_preset({**values, "kind": kind})
    try:
        config = model.model_validate(values)
        invalid_keys: set[str] = set()
    except ValidationError as error:
        problems.extend(validation_problems(error, model))
        invalid_keys = {_key_of(detail, model) for detail in error.errors()}
        config = model.model_validate(_without(values, invalid_keys, model))
    problems.extend(_tokens(values, model))
    problems.extend(broken_rules(config, invalid_keys, estimate_only=estimate_only))
    if not problems:
        return CheckResult(config, (), tuple(notices), config)
    faulty = invalid_keys | {problem.key for problem in problems}
    return CheckResult(None, tuple(problems), tuple(notices), _valid_part(values, faulty, model))


def _valid_part(
    values: Mapping[str, Any], faulty: Collection[str], model: type[Config]
) -> Config | None:
    """Return the configuration without the `faulty` keys; see `CheckResult`."""
    config = model.model_validate(_without(values, faulty, model))
    fields = fields_by_key(model)
    others = [
        problem
        for problem in broken_rules(config)
        if problem.key not in fields or fields[problem.key].default != ""
    ]
    return None if others else config


def validation_problems(error: ValidationError, model: Model) -> list[Problem]:
    """Return what is wrong with the values of `model`, a problem for each key."""
    # A value that fits no member of a union has an error for each of them: keep the first.
    first_problems: dict[str, Problem] = {}
    for detail in error.errors():
        problem = _problem(detail, model)
        first_problems.setdefault(problem.key, problem)
    return list(first_problems.values())


def fill_defaults(text: str, config: Config) -> str:
    """Return `text` with every value of `config` in it, so that a later change of a default does
    not change its meaning."""
    fields = fields_by_key(type(config))
    names = {key for key, _ in leaves(yaml_text.parse(text).values, fields=fields)}
    values = dict(leaves(config.model_dump(), fields=fields))
    if names - set(values):  # a former name in the text would stand beside the present one
        return yaml_text.dump(config.model_dump())
    return yaml_text.edit(text, values)


def _translate_names(
    values: Mapping[str, Any], model: Model
) -> tuple[dict[str, Any], list[Notice]]:
    """Translate names of other tools. Declared and unknown keys stay as they are."""
    fields = fields_by_key(model)
    declared: dict[str, Any] = {}
    translated: dict[str, Any] = {}
    notices: list[Notice] = []
    for key, value in leaves(values, fields=fields):
        settings = None if key in fields else renames.translate(key, value)
        if settings is None or not all(name in fields for name in settings):
            declared = yaml_text.with_value(declared, key, value)
            continue
        translated.update(settings)
        text = " and ".join(f"{name}: {as_text(item)}" for name, item in settings.items())
        notices.append(Notice(key, f"read as {text}" if text else "ignored: it is the default"))
    for key, value in values.items():
        if isinstance(value, Mapping) and not value:
            declared.setdefault(key, {})
    for key, value in translated.items():
        if yaml_text.lookup(declared, key, _UNSET) is _UNSET:
            declared = yaml_text.with_value(declared, key, value)
    section_keys = {section.key for section in sections(model)}
    return {
        key: {} if value is None and key in section_keys else value
        for key, value in declared.items()
    }, notices


_UNSET = object()


def _with_values_of_older_runs(values: Mapping[str, Any]) -> dict[str, Any]:
    """Add the fields that did not exist when a run was started, where their default differs."""
    kind = values.get("kind")
    model = CONFIG_TYPES.get(kind) if isinstance(kind, str) else None
    completed = dict(values)
    for key, field in fields_by_key(model).items() if model else ():
        if field.in_older_runs is not None and yaml_text.lookup(values, key, _UNSET) is _UNSET:
            completed = yaml_text.with_value(completed, key, field.in_older_runs)
    return completed


def _apply_lora_preset(values: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Merge the values into those of the preset that `lora.preset` names, if any."""
    name = yaml_text.lookup(values, "lora.preset")
    if not isinstance(name, str):
        return values, []
    preset = find_preset("lora", name)
    if preset is None:
        names = [preset.name for preset in list_presets("lora")]
        return values, [Problem("lora.preset", f"unknown preset {name!r}", _nearest(name, names))]
    merged: dict[str, Any] = dict(preset.values)
    for key, value in leaves(values):
        merged = yaml_text.with_value(merged, key, value)
    return merged, []


def _tokens(values: Mapping[str, Any], model: Model) -> Iterator[Problem]:
    """Yield a problem for each setting that holds an access token: a run keeps its settings."""
    for key, value in leaves(values, fields=fields_by_key(model)):
        if has_token(as_text(value)):
            hint = "tokens come from HF_TOKEN, WANDB_API_KEY or `hf auth login`"
            yield Problem(key, "holds what looks like an access token", hint)


def _key_of(detail: ErrorDetails, model: Model) -> str:
    """Return the dotted key, declared or not, that a validation error is about."""
    head = str(detail["loc"][0])
    return head if head in fields_by_key(model) else ".".join(map(str, detail["loc"][:2]))


def _without(values: Mapping[str, Any], keys: Collection[str], model: Model) -> dict[str, Any]:
    """Return `values` without `keys`, which are dotted keys or whole sections."""
    kept: dict[str, Any] = {}
    for key, value in leaves(values, fields=fields_by_key(model)):
        if key not in keys and key.partition(".")[0] not in keys:
            kept = yaml_text.with_value(kept, key, value)
    return kept


def _problem(detail: ErrorDetails, model: Model) -> Problem:
    loc = [str(part) for part in detail["loc"]]
    if item := item_model(model, loc[0]):
        return _problem_in_item(detail, loc, item)
    key = _key_of(detail, model)
    if detail["type"] == "extra_forbidden":
        return Problem(key, "is not a setting", _did_you_mean(key, model))
    return _wrong_value(key, fields_by_key(model).get(key), detail)


def _problem_in_item(detail: ErrorDetails, loc: list[str], item: Model) -> Problem:
    """Return the problem of a list of sections, or of one of its items, counted from 1."""
    if len(loc) == 1:
        return Problem(loc[0], f"must be a list of sections, got {as_text(detail['input'])}")
    fields = {spec.name: spec for spec in fields_by_key(item).values()}
    key = ".".join((loc[0], str(int(loc[1]) + 1), *loc[2:3]))
    if detail["type"] == "extra_forbidden":
        return Problem(key, "is not a setting", _nearest(loc[2], list(fields)))
    return _wrong_value(key, fields.get(loc[2]) if len(loc) > 2 else None, detail)


_SHOWN_CHARACTERS = 200


def _wrong_value(key: str, field: FieldSpec | None, detail: ErrorDetails) -> Problem:
    value = as_text(detail["input"]) or "nothing"
    if len(value) > _SHOWN_CHARACTERS:
        value = f"{value[:_SHOWN_CHARACTERS]}…"
    if field is None:
        return Problem(key, f"must be `name: value` lines, got {value}")
    hint = ""
    if field.choices:
        hint = _nearest(value, [as_text(choice) for choice in field.choices])
    return Problem(key, f"must be {field.expected}, got {value}", hint)


def _did_you_mean(key: str, model: Model) -> str:
    fields = fields_by_key(model)
    section, _, name = key.rpartition(".")
    elsewhere = [candidate for candidate in fields if candidate.rpartition(".")[2] == name]
    if elsewhere:
        return "did you mean " + " or ".join(elsewhere) + "?"
    in_section = [candidate for candidate in fields if candidate.startswith(f"{section}.")]
    by_name = {candidate.rpartition(".")[2]: candidate for candidate in (*fields, *in_section)}
    by_name = {old: new for old, new in renames.RENAMED.items() if new in fields} | by_name
    section_keys = {section.key: section.key for section in sections(model) if section.key}
    return _nearest(name, by_name if section else {**by_name, **section_keys})


def _nearest(name: str, names: Mapping[str, str] | Sequence[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    if not close:
        return "" if isinstance(names, Mapping) else "one of: " + ", ".join(names)
    return f"did you mean {names[close[0]] if isinstance(names, Mapping) else close[0]}?"


def with_places(
    problems: Iterable[Problem], lines: Mapping[str, int], overridden: Collection[str], file: str
) -> Iterator[Problem]:
    """Add to each problem the file and line of its key, or `--set`."""
    for problem in problems:
        if problem.file or problem.key in overridden:
            yield replace(problem, file=OVERRIDE_SOURCE)
        else:
            line = lines.get(problem.key, lines.get(problem.key.partition(".")[0], 0))
            yield replace(problem, file=file, line=line)
