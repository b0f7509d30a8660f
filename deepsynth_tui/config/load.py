"""From YAML text to a configuration, or to every reason why it is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deepsynth_tui.config import renames, yaml_text
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.fields import (
    FieldSpec,
    Settings,
    as_text,
    fields_by_key,
    item_model,
    sections,
)
from deepsynth_tui.config.presets import find_preset, list_presets
from deepsynth_tui.config.problems import ConfigError, Notice, Problem
from deepsynth_tui.config.rules.between_fields import Config, broken_rules
from deepsynth_tui.config.training import TrainingConfig

RunKind = Literal["dataset", "training"]

CONFIG_TYPES: Mapping[str, type[TrainingConfig] | type[DatasetConfig]] = {
    "training": TrainingConfig,
    "dataset": DatasetConfig,
}
OVERRIDE_SOURCE = "--set"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking values: `config` is None exactly when there are problems."""

    config: Config | None
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration from a file. `text` is the file's, comments and all, made complete."""

    config: Config
    notices: tuple[Notice, ...]
    text: str


def load_file(path: Path, overrides: Sequence[str] = (), *, starting: bool = True) -> Loaded:
    """Read a YAML file and `key=value` overrides; without `starting`, only to be estimated.

    Raises ConfigError with every problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is not UTF-8 text"
        raise ConfigError([Problem("", f"cannot be read: {reason}", file=str(path))]) from error
    return load_text(text, overrides, file=str(path), starting=starting)


def load_text(
    text: str, overrides: Sequence[str] = (), *, file: str = "", starting: bool = True
) -> Loaded:
    """Read YAML text and `key=value` overrides. Raises ConfigError with every problem."""
    try:
        document = yaml_text.parse(text)
    except yaml_text.YamlSyntaxError as error:
        raise ConfigError(
            [Problem("", f"no valid YAML: {error}", file=file, line=error.line)]
        ) from None
    problems = [Problem(key, "stands here a second time", "keep one") for key in document.repeated]
    values = document.values
    overridden: set[str] = set()
    for override in overrides:
        key, separator, right = override.partition("=")
        if not separator:
            problems.append(Problem(key, "expected section.key=value", file=OVERRIDE_SOURCE))
            continue
        try:
            values = yaml_text.with_value(values, key.strip(), yaml_text.parse_value(right))
        except yaml_text.YamlSyntaxError as error:
            problems.append(Problem(key, f"no valid value: {error}", file=OVERRIDE_SOURCE))
        overridden.add(key.strip())
    checked = check(values, starting=starting)
    problems.extend(checked.problems)
    if checked.config is None or problems:
        raise ConfigError(_placed(problems, document.lines, overridden, file))
    return Loaded(checked.config, checked.notices, complete(text, checked.config))


def check(values: Mapping[str, Any], *, starting: bool = True) -> Checked:
    """Check values as they come from YAML or a form: every problem, not only the first.

    Without `starting`, what only keeps a run from starting is no problem.
    """
    kind = values.get("kind", "training" if "training" in values or "lora" in values else None)
    if kind not in CONFIG_TYPES:
        said = f"{kind!r} is no kind of run" if "kind" in values else "not set"
        return Checked(None, (Problem("kind", said, "one of: " + ", ".join(CONFIG_TYPES)),), ())
    model = CONFIG_TYPES[kind]
    values, notices = _with_our_names(values, model)
    values, problems = _on_preset({**values, "kind": kind})
    try:
        config = model.model_validate(values)
        unusable: set[str] = set()
    except ValidationError as error:
        details = error.errors()
        problems.extend(_problem(detail, model) for detail in details)
        unusable = {_unusable(detail, model) for detail in details}
        config = model.model_validate(_without(values, unusable, model))
    problems.extend(broken_rules(config, unusable, starting=starting))
    return Checked(None if problems else config, tuple(problems), tuple(notices))


def complete(text: str, config: Config) -> str:
    """Return `text` with every value of `config` in it, so that it means the same ever after."""
    known = fields_by_key(type(config))
    names = {old for old, _ in yaml_text.leaves(yaml_text.parse(text).values, fields=known)}
    values = dict(yaml_text.leaves(config.model_dump(), fields=known))
    if names - set(values):  # a foreign name in the text would stand beside ours
        return yaml_text.dump(config.model_dump())
    return yaml_text.edit(text, values)


def _with_our_names(
    values: Mapping[str, Any], model: type[TrainingConfig] | type[DatasetConfig]
) -> tuple[dict[str, Any], list[Notice]]:
    """Translate foreign names; a key that is ours, or that nobody knows, stays as it is."""
    known = fields_by_key(model)
    ours: dict[str, Any] = {}
    translated: dict[str, Any] = {}
    notices: list[Notice] = []
    for key, value in yaml_text.leaves(values, fields=known):
        meaning = None if key in known else renames.translate(key, value)
        if meaning is None or not all(new in known for new in meaning):
            ours = yaml_text.with_value(ours, key, value)
            continue
        translated.update(meaning)
        said = " and ".join(f"{new}: {as_text(item)}" for new, item in meaning.items())
        notices.append(Notice(key, f"is called {said} here" if said else "is the default here"))
    for key, value in values.items():
        if isinstance(value, Mapping) and not value:
            ours.setdefault(key, {})
    for key, value in translated.items():
        if yaml_text.lookup(ours, key, _UNSET) is _UNSET:
            ours = yaml_text.with_value(ours, key, value)
    return {
        key: {} if value is None and _is_section(key, model) else value
        for key, value in ours.items()
    }, notices


_UNSET = object()


def _is_section(key: str, model: type[TrainingConfig] | type[DatasetConfig]) -> bool:
    return any(section.key == key for section in sections(model) if section.key)


def _on_preset(values: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Put the values on top of those of `lora.preset`, where one is named."""
    name = yaml_text.lookup(values, "lora.preset")
    if not isinstance(name, str):
        return values, []
    preset = find_preset("lora", name)
    if preset is None:
        names = [known.name for known in list_presets("lora")]
        return values, [
            Problem("lora.preset", f"no preset is called {name!r}", _nearest(name, names))
        ]
    merged: dict[str, Any] = dict(preset.values)
    for key, value in yaml_text.leaves(values):
        merged = yaml_text.with_value(merged, key, value)
    return merged, []


def _unusable(detail: ErrorDetails, model: type[TrainingConfig] | type[DatasetConfig]) -> str:
    """Return the key of the field, or of the unknown one, that an error is about."""
    head = str(detail["loc"][0])
    return head if head in fields_by_key(model) else ".".join(map(str, detail["loc"][:2]))


def _without(
    values: Mapping[str, Any],
    keys: Iterable[str],
    model: type[TrainingConfig] | type[DatasetConfig],
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    dropped = set(keys)
    for key, value in yaml_text.leaves(values, fields=fields_by_key(model)):
        if key not in dropped and key.partition(".")[0] not in dropped:
            kept = yaml_text.with_value(kept, key, value)
    return kept


def _problem(detail: ErrorDetails, model: type[TrainingConfig] | type[DatasetConfig]) -> Problem:
    loc = [str(part) for part in detail["loc"]]
    if item := item_model(model, loc[0]):
        return _problem_in_item(detail, loc, item)
    key = _unusable(detail, model)
    if detail["type"] == "extra_forbidden":
        return Problem(key, "is not a setting", _did_you_mean(key, model))
    return _expected(key, fields_by_key(model).get(key), detail)


def _problem_in_item(detail: ErrorDetails, loc: list[str], item: type[Settings]) -> Problem:
    """Return the problem of a list of sections, or of one of them, counted from 1."""
    if len(loc) == 1:
        return Problem(loc[0], f"expected a list of sections, got {as_text(detail['input'])}")
    own = {spec.name: spec for spec in fields_by_key(item).values()}
    key = ".".join((loc[0], str(int(loc[1]) + 1), *loc[2:3]))
    if detail["type"] == "extra_forbidden":
        return Problem(key, "is not a setting", _nearest(loc[2], list(own)))
    return _expected(key, own.get(loc[2]) if len(loc) > 2 else None, detail)


def _expected(key: str, field: FieldSpec | None, detail: ErrorDetails) -> Problem:
    given = as_text(detail["input"]) or "nothing"
    if field is None:
        return Problem(key, f"expected `name: value` lines, got {given}")
    expected = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "text": "text",
        "list": "a list",
        "mapping": "name: value pairs",
        "choice": "one of " + ", ".join(as_text(choice) for choice in field.choices),
    }[field.kind]
    if field.range_text:
        expected = f"{expected}, {field.range_text}"
    hint = ""
    if field.kind == "choice":
        hint = _nearest(given, [as_text(choice) for choice in field.choices])
    return Problem(key, f"expected {expected}, got {given}", hint)


def _did_you_mean(key: str, model: type[TrainingConfig] | type[DatasetConfig]) -> str:
    known = fields_by_key(model)
    leaf = key.rpartition(".")[2]
    elsewhere = [candidate for candidate in known if candidate.rpartition(".")[2] == leaf]
    if elsewhere:
        return "did you mean " + " or ".join(elsewhere) + "?"
    section = key.partition(".")[0]
    near = [candidate for candidate in known if candidate.startswith(f"{section}.")]
    by_leaf = {candidate.rpartition(".")[2]: candidate for candidate in (*known, *near)}
    by_leaf = {old: new for old, new in renames.RENAMED.items() if new in known} | by_leaf
    headings = {section.key: section.key for section in sections(model) if section.key}
    return _nearest(leaf, by_leaf if "." in key else {**by_leaf, **headings})


def _nearest(name: str, known: Mapping[str, str] | Sequence[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if not close:
        return "" if isinstance(known, Mapping) else "one of: " + ", ".join(known)
    return f"did you mean {known[close[0]] if isinstance(known, Mapping) else close[0]}?"


def _placed(
    problems: Iterable[Problem], lines: Mapping[str, int], overridden: set[str], file: str
) -> list[Problem]:
    return sorted(_with_places(problems, lines, overridden, file), key=lambda problem: problem.line)


def _with_places(
    problems: Iterable[Problem], lines: Mapping[str, int], overridden: set[str], file: str
) -> Iterator[Problem]:
    for problem in problems:
        if problem.file or problem.key in overridden:
            yield replace(problem, file=OVERRIDE_SOURCE)
        else:
            line = lines.get(problem.key, lines.get(problem.key.partition(".")[0], 0))
            yield replace(problem, file=file, line=line)
