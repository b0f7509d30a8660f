"""The answers of several adapters and their base to one page, generated piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from transformers import StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.loaded import LoadedAdapters, collator_of, group_adapters
from deepsynth_tui.adapters.settings import answer_config, base_config
from deepsynth_tui.adapters.try_out import page_conversation
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.generate import generate_answers

if TYPE_CHECKING:
    import torch

    from deepsynth_tui.conversations.conversation import Conversation

OnText = Callable[[str, str], None]
"""Gets the name of who answers, and the answer so far."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What follows the answers while they are generated, and may end them early."""

    on_loading: Callable[[str], None] = lambda base: None
    on_text: OnText = lambda name, text: None
    is_cancelled: Callable[[], bool] = lambda: False


class _Streamer(BaseStreamer):
    """Passes on the answer so far, decoded as a whole: a character may be of several tokens."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None]) -> None:
        self._tokenizer, self._on_text = tokenizer, on_text
        self._tokens: list[int] | None = None  # until the prompt, which comes first

    def put(self, value: torch.Tensor) -> None:
        """Take the tokens of the prompt, or the next one."""
        if self._tokens is None:
            self._tokens = []
            return
        self._tokens += value.flatten().tolist()
        self._on_text(self._tokenizer.decode(self._tokens, skip_special_tokens=True))

    def end(self) -> None:
        """Note that the answer is complete."""


class _Cancelled(StoppingCriteria):
    def __init__(self, is_cancelled: Callable[[], bool]) -> None:
        self._is_cancelled = is_cancelled

    def __call__(
        self, input_ids: torch.LongTensor, scores: tuple[torch.Tensor] | None, **kwargs: Any
    ) -> torch.BoolTensor:
        """Return for each row whether it ends here."""
        ends = input_ids.new_full((len(input_ids),), self._is_cancelled()).bool()
        return cast("torch.BoolTensor", ends)


class TriedAdapters:
    """Adapters and their base models, each loaded once, when it first answers."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        """Group the adapters by their base models."""
        self._groups = group_adapters(adapters)
        self._loaded: dict[int, LoadedAdapters] = {}

    def answers(
        self,
        conversation: Conversation,
        *,
        instruction: str | None,
        new_tokens: int,
        watch: Watch | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield name, answer and whether it was cut, of each base and each adapter.

        Without `instruction`, each adapter gets the one that it was trained with.

        Raises:
            UserError: an adapter does not fit its base, or the page cannot be used.
            OSError: a base model is missing.
        """
        watch = watch or Watch()
        for number, group in enumerate(self._groups):
            loaded = self._loaded.get(number)
            if loaded is None:
                watch.on_loading(group[0].base)
                loaded = self._loaded[number] = LoadedAdapters(group)
            contexts = [("base", base_config(answer_config(group[0])), loaded.base_only())]
            contexts += [(a.name, answer_config(a), loaded.switched_on(a)) for a in group]
            for name, config, context in contexts:
                if watch.is_cancelled():
                    return
                if instruction:
                    data = config.data.model_copy(update={"instruction": instruction})
                    config = config.model_copy(update={"data": data})
                collator = collator_of(config)
                builder = ExampleBuilder(
                    config.data, collator.reads_images, config.text_encoder.enabled
                )
                chat = collator.render(builder.build(conversation))
                streamer = _Streamer(collator.tokenizer, partial(watch.on_text, name))
                with context as model:
                    (answer,) = generate_answers(
                        model,
                        collator,
                        [chat],
                        max_new_tokens=[new_tokens],
                        streamer=streamer,
                        stopping=[_Cancelled(watch.is_cancelled)],
                    )
                yield {
                    "name": name,
                    "base": group[0].base,
                    "instruction": config.data.instruction,
                    "answer": answer.text,
                    "is_cut": answer.is_cut,
                }


def try_page(
    adapters: Sequence[Adapter], image: Path, *, instruction: str | None, new_tokens: int
) -> list[dict[str, Any]]:
    """Return the answers of `TriedAdapters` to an image. Raises as they do, and OSError."""
    conversation = page_conversation(image)
    tried = TriedAdapters(adapters)
    return list(tried.answers(conversation, instruction=instruction, new_tokens=new_tokens))
