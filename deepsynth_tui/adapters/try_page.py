"""The answers of several adapters and their base to one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.loaded import LoadedAdapters, collator_of, group_adapters
from deepsynth_tui.adapters.settings import answer_config, base_config
from deepsynth_tui.adapters.try_out import page_conversation
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.generate import generate_answers


def try_page(
    adapters: Sequence[Adapter], image: Path, *, instruction: str | None, new_tokens: int
) -> list[dict[str, Any]]:
    """Return name, answer and whether it was cut, of the base of each group and each adapter.

    Without `instruction`, each adapter gets the one that it was trained with.

    Raises:
        UserError: an adapter does not fit its base, or the image cannot be used.
        OSError: the image or a base model is missing.
    """
    conversation = page_conversation(image)
    answers: list[dict[str, Any]] = []
    for group in group_adapters(adapters):
        loaded = LoadedAdapters(group)
        contexts = [("base", base_config(answer_config(group[0])), loaded.base_only())]
        contexts += [(a.name, answer_config(a), loaded.switched_on(a)) for a in group]
        for name, config, context in contexts:
            if instruction:
                data = config.data.model_copy(update={"instruction": instruction})
                config = config.model_copy(update={"data": data})
            collator = collator_of(config)
            builder = ExampleBuilder(
                config.data, collator.reads_images, config.text_encoder.enabled
            )
            chat = collator.render(builder.build(conversation))
            with context as model:
                (answer,) = generate_answers(model, collator, [chat], max_new_tokens=[new_tokens])
            answers.append(
                {
                    "name": name,
                    "base": group[0].base,
                    "instruction": config.data.instruction,
                    "answer": answer.text,
                    "is_cut": answer.is_cut,
                }
            )
    return answers
