"""LoRA settings that match nothing in the model, which PEFT would ignore or blame on another."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deepsynth_tui.config.model import LoraSettings, ModelSettings
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.models.lora_targets import (
    layer_index,
    resolve_modules_to_save,
    resolve_target_modules,
    resolve_target_parameters,
    target_matcher,
)
from deepsynth_tui.models.towers import is_trained, tower_of

MAX_NAMES_SHOWN = 6
SIMILARITY = 0.4  # of `difflib`, from 0 to 1: names below it are not suggested


@dataclass(frozen=True, slots=True)
class ModelNames:
    """Full names of a model's linear modules, of its parameters and of all modules."""

    linears: Collection[str]
    parameters: Collection[str]
    modules: Collection[str]


def lora_problems(names: ModelNames, lora: LoraSettings, model: ModelSettings) -> list[Problem]:
    """Return a problem for each setting with a name, pattern or index that matches nothing."""
    if not lora.enabled:
        return []
    targets = lora.target_modules
    # A regular expression must match the full name; a name in a list may be its end.
    modules = {targets: targets} if isinstance(targets, str) else {name: [name] for name in targets}
    parameters = {name: [name] for name in lora.target_parameters}
    problems = [
        *_unmatched("lora.target_modules", modules, names.linears, model),
        *_unmatched("lora.target_parameters", parameters, names.parameters, model),
        *_exclusion_problems(names, lora),
        *_saved_module_problems(names, lora),
    ]
    # What depends on the targets would only repeat a problem with them.
    return problems or list(_problems_with_targets(names, lora, model))


def _problems_with_targets(
    names: ModelNames, lora: LoraSettings, model: ModelSettings
) -> Iterator[Problem]:
    """Check the settings that choose among the targets."""
    choosing = ("exclude_modules", "layers_to_transform", "modules_to_save")
    patterns = ("rank_pattern", "alpha_pattern")
    if not any(getattr(lora, name) for name in (*choosing, *patterns)):
        return
    all_layers = lora.model_copy(update={"layers_to_transform": []})
    targets = _targets(names, all_layers, model)
    if not targets:
        yield Problem(
            "lora.exclude_modules" if lora.exclude_modules else "lora.modules_to_save",
            "leaves no module that gets an adapter",
            "leave some of its entries out",
        )
        return
    yield from _layer_problems(targets, lora)
    targets = _targets(names, lora, model) or targets
    for name in patterns:
        yield from _pattern_problems(f"lora.{name}", getattr(lora, name), targets)


def _targets(names: ModelNames, lora: LoraSettings, model: ModelSettings) -> tuple[str, ...]:
    return (
        *resolve_target_modules(names.linears, lora, model),
        *resolve_target_parameters(names.parameters, lora, model),
    )


def _unmatched(
    key: str,
    entries: Mapping[str, str | Sequence[str]],
    names: Iterable[str],
    model: ModelSettings,
) -> Iterator[Problem]:
    """Check that each entry matches a name outside of the frozen towers."""
    unknown: list[str] = []
    frozen: dict[str, set[str]] = {}
    for entry, targets in entries.items():
        matches = target_matcher(targets)
        if any(matches(name) and is_trained(tower_of(name), model) for name in names):
            continue
        if towers := {tower_of(name) for name in names if matches(name)}:
            frozen[entry] = towers
        else:
            unknown.append(entry)
    if unknown:
        noun = "linear layer" if key == "lora.target_modules" else "parameter"
        trained = [name for name in names if is_trained(tower_of(name), model)]
        if key == "lora.target_parameters":  # weights and biases belong to modules
            trained = [name for name in trained if not name.endswith((".weight", ".bias"))]
        message = f"the model has no {noun} {', '.join(unknown)}"
        yield Problem(key, message, similar(unknown, trained))
    if frozen:
        yield Problem(
            key,
            f"{', '.join(frozen)} is only in what is frozen: "
            f"{', '.join(sorted(set().union(*frozen.values())))}",
            "choose others, or turn model.freeze_vision_tower or model.freeze_projector off",
        )


def _exclusion_problems(names: ModelNames, lora: LoraSettings) -> Iterator[Problem]:
    matchers = {entry: target_matcher([entry]) for entry in lora.exclude_modules}
    unknown = [
        entry
        for entry, matches in matchers.items()
        if not any(map(matches, (*names.linears, *names.parameters)))
    ]
    if unknown:
        yield Problem(
            "lora.exclude_modules",
            f"the model has no linear layer {', '.join(unknown)}",
            similar(unknown, names.linears),
        )


def _saved_module_problems(names: ModelNames, lora: LoraSettings) -> Iterator[Problem]:
    unknown = [
        entry
        for entry in lora.modules_to_save
        if not resolve_modules_to_save(
            names.modules, lora.model_copy(update={"modules_to_save": [entry]})
        )
    ]
    if unknown:
        yield Problem(
            "lora.modules_to_save",
            f"the model has no module {', '.join(unknown)}",
            similar(unknown, names.modules),
        )


def _layer_problems(targets: Iterable[str], lora: LoraSettings) -> Iterator[Problem]:
    layers = sorted({index for name in targets if (index := layer_index(name)) is not None})
    unknown = [layer for layer in lora.layers_to_transform if layer not in layers]
    if unknown:
        exist = f"{layers[0]} to {layers[-1]}" if layers else "none"
        yield Problem(
            "lora.layers_to_transform",
            f"no module that gets an adapter is in layer {', '.join(map(str, unknown))}",
            f"layers with such modules: {exist}",
        )


def _pattern_problems(
    key: str, pattern: Mapping[str, int], targets: Iterable[str]
) -> Iterator[Problem]:
    names = tuple(targets)
    unknown = [
        expression
        for expression in pattern
        # The rule of peft.utils.other.get_pattern_key.
        if not any(re.match(rf"(.*\.)?({expression})$", name) for name in names)
    ]
    if unknown:
        yield Problem(
            key,
            f"no module that gets an adapter matches {', '.join(unknown)}",
            similar(unknown, names),
        )


def similar(unknown: Iterable[str], names: Iterable[str]) -> str:
    """Return the ends of `names` that resemble the unknown ones, or else all last parts."""
    endings = {".".join(parts[-2:]) for name in names if (parts := name.split("."))}
    endings |= {name.rpartition(".")[2] for name in endings}
    endings = {ending for ending in endings if not ending.rpartition(".")[2].isdecimal()}
    if not endings:
        return "the model has none; lora.target_modules names linear layers"
    close: list[str] = []
    for name in unknown:
        close += difflib.get_close_matches(
            name, sorted(endings), n=MAX_NAMES_SHOWN, cutoff=SIMILARITY
        )
    if close:
        return f"similar names: {', '.join(dict.fromkeys(close[:MAX_NAMES_SHOWN]))}"
    return f"names: {', '.join(sorted(ending for ending in endings if '.' not in ending))}"
