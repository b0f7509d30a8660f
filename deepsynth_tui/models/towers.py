"""The tower that a module belongs to: language model, vision tower, projector and so on.

Names alone decide, so the screen, the estimate and the training job agree without torch. The names
are those of transformers 5 (``models/*/modeling_*.py``).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from deepsynth_tui.config.model import ModelSettings

Tower = Literal["language", "vision", "projector", "audio", "head", "other"]
TOWERS: tuple[Tower, ...] = ("language", "vision", "projector", "audio", "head", "other")

# A merger inside `visual` (Qwen) or a pooling inside a vision model still connects the two towers,
# so these names outrank a vision name to their left. `patch_embed.projection` is none of them: only
# the projections of one modality into another end in "_projection" and count.
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
    """Return the tower of a module or parameter, from its dotted name in the model.

    All of a model with a single tower (a text-only model or an encoder) is ``language``, except its
    head.
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
    """Whether the model settings leave this tower trainable.

    An audio encoder is frozen with the vision tower, as both feed the language model. Parts that
    only generate images or sound (``other``) are always frozen.
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


def adapted_by_tower(names: Iterable[str]) -> Mapping[Tower, Mapping[str, int]]:
    """Count the adapted modules and parameters of each tower by their short name.

    The short name is the end of the full name, from the last part that is not a number. Fused
    experts keep the name of the module around them.
    """
    counts: dict[Tower, Counter[str]] = defaultdict(Counter)
    for name in names:
        parts = name.split(".")
        start = max(position for position, part in enumerate(parts) if not part.isdecimal())
        if start and parts[start - 1] == "experts":
            start -= 1
        counts[tower_of(name)][".".join(parts[start:])] += 1
    return {tower: dict(counts[tower]) for tower in TOWERS if tower in counts}
