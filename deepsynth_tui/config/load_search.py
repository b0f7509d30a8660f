"""Read the YAML of a search, or report every problem with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import validation_problems, with_places
from deepsynth_tui.config.overrides import apply_overrides
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.config.search import SearchConfig


def load_search(path: Path, overrides: Sequence[str] = ()) -> SearchConfig:
    """Read a YAML file of kind search and apply `key=value` overrides.

    Raises ConfigError with every problem of the file itself; `search.prepare` checks what it names.
    """
    file = str(path)
    try:
        with path.open("rb") as content:
            text = content.read(4 * yaml_text.MAX_CHARACTERS + 1).decode("utf-8")
        document = yaml_text.parse(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is not UTF-8 text"
        raise ConfigError([Problem("", f"cannot be read: {reason}", file=file)]) from error
    except yaml_text.YamlSyntaxError as error:
        problem = Problem("", f"invalid YAML: {error}", file=file, line=error.line)
        raise ConfigError([problem]) from None
    overridden = apply_overrides(document.values, overrides)
    problems = [
        *(Problem(key, "is set more than once", "keep one") for key in document.repeated),
        *overridden.problems,
    ]
    values = dict(overridden.values)
    kind = values.get("kind")
    if kind != "search":
        state = f"is {kind}" if kind else "not set"
        problems.append(Problem("kind", state, "a search has `kind: search`"))
        values["kind"] = "search"
    try:
        config = SearchConfig.model_validate(values)
    except ValidationError as error:
        problems += validation_problems(error, SearchConfig)
        config = None
    if config is None or problems:
        located = with_places(problems, document.lines, overridden.keys, file)
        raise ConfigError(sorted(located, key=lambda problem: problem.line))
    return config
