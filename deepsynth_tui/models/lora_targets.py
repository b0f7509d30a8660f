"""The modules and parameters that LoRA adapts: ``lora.target_modules`` and the other selectors.

Names alone decide, so the screen, the estimate and the training job agree without torch. The towers
(``vision``, ``language``, ``projector``) that ``target_modules`` may name are those of `towers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from deepsynth_tui.config.model import TARGET_TOWERS, LoraSettings, ModelSettings
from deepsynth_tui.models.towers import TOWERS, is_trained, tower_of

ALL_LINEAR = "all-linear"


def resolve_target_modules(
    linear_modules: Iterable[str], lora: LoraSettings, model: ModelSettings
) -> tuple[str, ...]:
    """Return the full names of the linear modules that get an adapter, in the order given.

    ``lora.target_modules`` is ``"all-linear"`` (every linear but the head), a tower (every linear
    in it), another string (a regular expression that must match the full name, as in PEFT), or a
    list of ``"all-linear"``, towers, names and name suffixes. Frozen towers, ``exclude_modules``,
    ``modules_to_save`` and layers outside ``layers_to_transform`` are always left out. The result
    is empty if nothing matches; `lora_problems` says which entries match nothing.

    Pass the result to PEFT as ``LoraConfig.target_modules``, without any other selector.

    Args:
        linear_modules: Dotted names of every ``nn.Linear`` of the model.
        lora: Settings that select the modules.
        model: Settings that freeze towers.

    Raises:
        re.error: ``target_modules`` is not a valid regular expression.
    """
    is_target = target_matcher(lora.target_modules)
    is_allowed = _allowed(lora, model)
    return tuple(name for name in linear_modules if is_target(name) and is_allowed(name))


def resolve_target_parameters(
    parameters: Iterable[str], lora: LoraSettings, model: ModelSettings
) -> tuple[str, ...]:
    """Return the full names of the parameters (fused experts) that get an adapter.

    ``lora.target_parameters`` lists names or name suffixes such as ``mlp.experts.gate_up_proj``.
    The exclusions are those of `resolve_target_modules`.
    """
    if not lora.target_parameters:
        return ()
    is_target = _suffix_matcher(lora.target_parameters)
    is_allowed = _allowed(lora, model)
    return tuple(name for name in parameters if is_target(name) and is_allowed(name))


def resolve_modules_to_save(modules: Iterable[str], lora: LoraSettings) -> tuple[str, ...]:
    """Return the full names of the modules that ``modules_to_save`` trains in full.

    A suffix need not begin at a dot, as in ``peft.utils.other._set_trainable``.
    """
    suffixes = tuple(lora.modules_to_save)
    return tuple(name for name in modules if suffixes and name.endswith(suffixes))


def layer_index(name: str) -> int | None:
    """Return the first number in a dotted name: the layer. A later number may be an expert."""
    return next((int(segment) for segment in name.split(".") if segment.isdecimal()), None)


def target_matcher(targets: str | Sequence[str]) -> Callable[[str], bool]:
    """Return the predicate for a value of ``lora.target_modules``, whatever is frozen."""
    words = [targets.lower()] if isinstance(targets, str) else targets
    towers = {tower for tower in TARGET_TOWERS if tower in words}
    if ALL_LINEAR in words:
        towers |= {tower for tower in TOWERS if tower != "head"}
    if isinstance(targets, str) and not towers:
        pattern = re.compile(targets)
        return lambda name: pattern.fullmatch(name) is not None
    is_named = _suffix_matcher(words)
    return lambda name: is_named(name) or tower_of(name) in towers


def _suffix_matcher(targets: Sequence[str]) -> Callable[[str], bool]:
    names = frozenset(targets)
    suffixes = tuple(f".{target}" for target in targets)
    return lambda name: name in names or name.endswith(suffixes)


def _allowed(lora: LoraSettings, model: ModelSettings) -> Callable[[str], bool]:
    """Return the predicate for names that no freeze or exclusion keeps from being adapted."""
    trained_towers = frozenset(tower for tower in TOWERS if is_trained(tower, model))
    is_excluded = target_matcher(lora.exclude_modules)
    layers = frozenset(lora.layers_to_transform)
    saved = [re.compile(rf"(^|.*\.){module}($|\..*)") for module in lora.modules_to_save]

    def is_allowed(name: str) -> bool:
        return (
            tower_of(name) in trained_towers
            and not is_excluded(name)
            and (not layers or layer_index(name) in layers)
            and not any(pattern.match(name) for pattern in saved)
        )

    return is_allowed
