"""The settings of the interface: `interface.yaml`, read without ever stopping the interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import validation_problems
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.setting import Settings, setting

ThemeSetting = Literal["auto", "dark", "light", "ansi-dark", "ansi-light"]


class InterfaceSettings(Settings):
    """How the interface looks, and its keys."""

    theme: ThemeSetting = setting(
        "auto",
        label="Theme",
        help="auto: dark, or ansi where the terminal has 16 colors. The ansi themes use the "
        "terminal's own colors and background. NO_COLOR=1 goes before this.",
    )
    ascii: Literal["auto", "always", "never"] = setting(
        "auto",
        label="ASCII only",
        help="Draw frames, charts, arrows and signs with ASCII characters. auto: where the "
        "encoding of the locale is not UTF-8.",
    )
    mouse: bool = setting(
        True,
        label="Mouse",
        help="Take clicks and the wheel. Off: the terminal selects text. From the next start on.",
    )
    notification_seconds: int = setting(
        5,
        label="Notifications",
        help="How long a notification is shown.",
        unit="s",
        suggested=(3, 5, 10, 30),
        ge=1,
        le=3600,
    )
    keymap: dict[str, str] = setting(
        {},
        label="Keys",
        help="Keys of actions, such as `monitor.stop: x`; several are separated by commas. The ids "
        "of all actions: `deepsynth-tui keys`.",
        yaml_only=True,
    )


@dataclass(frozen=True, slots=True)
class LoadedInterface:
    """Settings from a file, and what is wrong with it. What is wrong has its default value."""

    settings: InterfaceSettings
    problems: tuple[Problem, ...] = ()


def load_interface(path: Path) -> LoadedInterface:
    """Read the settings of the interface. A missing file holds none."""
    try:
        document = yaml_text.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return LoadedInterface(InterfaceSettings())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is not UTF-8 text"
        return _unreadable(Problem("", f"cannot be read: {reason}", file=str(path)))
    except yaml_text.YamlSyntaxError as error:
        return _unreadable(Problem("", f"invalid YAML: {error}", file=str(path), line=error.line))
    repeated = [Problem(key, "is set more than once", "keep one") for key in document.repeated]
    settings, problems = _check(document.values)
    located = [
        Problem(each.key, each.message, each.hint, str(path), document.lines.get(each.key, 0))
        for each in (*repeated, *problems)
    ]
    return LoadedInterface(settings, tuple(located))


def _unreadable(problem: Problem) -> LoadedInterface:
    return LoadedInterface(InterfaceSettings(), (problem,))


def _check(values: Mapping[str, Any]) -> tuple[InterfaceSettings, list[Problem]]:
    """Return the settings that are valid, and the problems of the others."""
    try:
        return InterfaceSettings.model_validate(values), []
    except ValidationError as error:
        problems = validation_problems(error, InterfaceSettings)
        faulty = {str(detail["loc"][0]) for detail in error.errors()}
        valid = {key: value for key, value in values.items() if key not in faulty}
        return InterfaceSettings.model_validate(valid), problems
