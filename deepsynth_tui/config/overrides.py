"""Overrides of a configuration from the command line: `--set section.key=value`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.problems import Problem

OVERRIDE_SOURCE = "--set"
"""Stands for the file name in a problem of an override."""


@dataclass(frozen=True, slots=True)
class Overridden:
    """Values with overrides applied, the dotted keys that were set, and what was wrong."""

    values: Mapping[str, Any]
    keys: frozenset[str]
    problems: tuple[Problem, ...]


def apply_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> Overridden:
    """Set `key=value` overrides in `values`. The right-hand side is YAML, the last one wins."""
    keys: set[str] = set()
    problems: list[Problem] = []
    for override in overrides:
        key, separator, text = (part.strip() for part in override.partition("="))
        if not separator:
            problems.append(Problem(key, "must be section.key=value", file=OVERRIDE_SOURCE))
            continue
        keys.add(key)
        try:
            values = yaml_text.with_value(values, key, yaml_text.parse_value(text))
        except yaml_text.YamlSyntaxError as error:
            problems.append(Problem(key, f"invalid YAML value: {error}", file=OVERRIDE_SOURCE))
    return Overridden(values, frozenset(keys), tuple(problems))
