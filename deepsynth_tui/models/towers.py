"""Which tower a module belongs to, and which linears LoRA is attached to.

Names alone decide, so the screen, the estimate and the training job give the same answer
without torch. The names are those of transformers 5 (``models/*/modeling_*.py``).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from deepsynth_tui.config.training import TARGET_TOWERS, LoraSettings, ModelSettings

Tower = Literal["language", "vision", "projector", "audio", "head", "other"]
TOWERS: tuple[Tower, ...] = ("language", "vision", "projector", "audio", "head", "other")

ALL_LINEAR = "all-linear"

# A merger inside `visual` (Qwen) or a pooling inside a vision model is still the bridge between
# the two towers, so these outrank a vision name to their left. `patch_embed.projection` does not:
# only names that end in "_projection" of one modality into another are bridges.
_PROJECTOR = re.compile(
    r"(\w*projector\w*|\w*merger\w*|\w*connector|\w*aligner|\w*resampler\w*|qformer"
    r"|(vision|visual|language|modality|image_to_text|multi_modal)_projection|vision_adapter"
    r"|embed_vision|vision_embed_tokens|visual_embeddings_table"
    r"|view_sep[ae]rator|image_newline|query_tokens)"
)
_VISION = re.compile(
    r"(\w*vision_(tower|model|encoder|backbone)\w*|visual|vision|vit"
    r"|high_res_vision_\w+|(image|video)_(tower|encoder)|sam_model|sam_encoder)"
)
_AUDIO = re.compile(r"\w*(audio|speech)_\w+")
_LANGUAGE = re.compile(r"(language_model|text_model|text_decoder|llm|language_tower)")
_HEAD = re.compile(r"(lm_head|embed_out)")
_OTHER = re.compile(r"(vqmodel|vq_model|generation_\w+|dit)")


@lru_cache(maxsize=65536)
def tower_of(module_name: str) -> Tower:
    """The tower of a module or parameter, from its dotted name in the model.

    A model of one tower (text-only, or an encoder) is all ``language``, but for its head.
    """
    in_vision = False
    for segment in module_name.split("."):
        if _AUDIO.fullmatch(segment):
            return "audio"
        if _OTHER.fullmatch(segment) and not in_vision:
            return "other"
        if _PROJECTOR.fullmatch(segment):
            return "projector"
        if in_vision:
            continue
        if _HEAD.fullmatch(segment):
            return "head"
        if _LANGUAGE.fullmatch(segment):
            return "head" if _HEAD.search(module_name) else "language"
        in_vision = _VISION.fullmatch(segment) is not None
    return "vision" if in_vision else "language"


def is_trained(tower: Tower, model: ModelSettings) -> bool:
    """Whether the config lets anything in this tower learn.

    An audio encoder follows the vision tower (both feed the language model); parts that only
    generate images or sound (``other``) stay as they are.
    """
    match tower:
        case "language" | "head":
            return True
        case "vision" | "audio":
            return not model.freeze_vision_tower
        case "projector":
            return not model.freeze_projector
        case "other":
            return False


def resolve_targets(
    linear_modules: Iterable[str], lora: LoraSettings, model: ModelSettings
) -> tuple[str, ...]:
    """Full names of the linear modules that get a LoRA adapter, in the order given.

    `linear_modules` are the dotted names of every ``nn.Linear``. ``lora.target_modules`` is
    ``"all-linear"`` (every linear but the head), a tower (every linear in it), another string (a
    regular expression matched against the full name, as in PEFT), or a list of these two and of
    names or name endings. Frozen towers,
    ``exclude_modules``, ``modules_to_save`` and layers outside ``layers_to_transform`` are left
    out whatever the targets say. An empty result means that nothing matched (see
    `unmatched_targets`); the caller decides what that is worth.

    Give the result to PEFT as ``LoraConfig.target_modules`` and nothing else that selects.
    Raises ``re.error`` if the regular expression is none.
    """
    is_target = _matcher(lora.target_modules)
    may_learn = _gate(lora, model)
    return tuple(name for name in linear_modules if is_target(name) and may_learn(name))


def resolve_parameters(
    parameters: Iterable[str], lora: LoraSettings, model: ModelSettings
) -> tuple[str, ...]:
    """Full names of the parameters (not modules) that get a LoRA adapter: fused experts.

    ``lora.target_parameters`` lists names or name endings such as ``mlp.experts.gate_up_proj``.
    The same frozen towers and exclusions hold as in `resolve_targets`.
    """
    if not lora.target_parameters:
        return ()
    is_target = _ends_in(lora.target_parameters)
    may_learn = _gate(lora, model)
    return tuple(name for name in parameters if is_target(name) and may_learn(name))


def resolve_saved_modules(modules: Iterable[str], lora: LoraSettings) -> tuple[str, ...]:
    """Full names of the modules that ``modules_to_save`` trains whole beside the adapter.

    A name ending need not begin at a dot: the rule of ``peft.utils.other._set_trainable``.
    """
    endings = tuple(lora.modules_to_save)
    return tuple(name for name in modules if endings and name.endswith(endings))


def unmatched_targets(linear_modules: Iterable[str], lora: LoraSettings) -> tuple[str, ...]:
    """Entries of ``lora.target_modules`` that are the name or ending of no linear at all."""
    if isinstance(lora.target_modules, str):
        return ()
    names = tuple(linear_modules)
    return tuple(
        target for target in lora.target_modules if not any(map(_matcher([target]), names))
    )


def layer_index(name: str) -> int | None:
    """The first number in a dotted name: the layer (a later one may be an expert)."""
    return next((int(segment) for segment in name.split(".") if segment.isdecimal()), None)


def adapted_by_tower(names: Iterable[str]) -> Mapping[Tower, Mapping[str, int]]:
    """How many of the adapted modules and parameters in each tower are called what.

    They are called by the end of their names, from the last part that is no number on; fused
    experts with the module they are in.
    """
    counts: dict[Tower, Counter[str]] = defaultdict(Counter)
    for name in names:
        parts = name.split(".")
        start = max(at for at, part in enumerate(parts) if not part.isdecimal())
        if start and parts[start - 1] == "experts":
            start -= 1
        counts[tower_of(name)][".".join(parts[start:])] += 1
    return {tower: dict(counts[tower]) for tower in TOWERS if tower in counts}


def _matcher(targets: str | Sequence[str]) -> Callable[[str], bool]:
    """The predicate that a ``target_modules`` value stands for."""
    words = [targets.lower()] if isinstance(targets, str) else targets
    towers = {tower for tower in TARGET_TOWERS if tower in words}
    if ALL_LINEAR in words:
        towers |= {tower for tower in TOWERS if tower != "head"}
    if isinstance(targets, str) and not towers:
        pattern = re.compile(targets)
        return lambda name: pattern.fullmatch(name) is not None
    is_named = _ends_in(words)
    return lambda name: is_named(name) or tower_of(name) in towers


def _ends_in(targets: Sequence[str]) -> Callable[[str], bool]:
    names = frozenset(targets)
    endings = tuple(f".{target}" for target in targets)
    return lambda name: name in names or name.endswith(endings)


def _gate(lora: LoraSettings, model: ModelSettings) -> Callable[[str], bool]:
    """The predicate of everything that keeps an adapter away from a matching name."""
    open_towers = frozenset(tower for tower in TOWERS if is_trained(tower, model))
    is_excluded = _matcher(lora.exclude_modules)
    layers = frozenset(lora.layers_to_transform)
    saved = [re.compile(rf"(^|.*\.){module}($|\..*)") for module in lora.modules_to_save]

    def may_learn(name: str) -> bool:
        return (
            tower_of(name) in open_towers
            and not is_excluded(name)
            and (not layers or layer_index(name) in layers)
            and not any(pattern.match(name) for pattern in saved)
        )

    return may_learn
