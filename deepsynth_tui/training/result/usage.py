"""How the trained model is prompted and generates, recorded for the code in its model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepsynth_tui.training.evaluation.generate import answer_limit
from deepsynth_tui.training.modeling.video_processor import VIDEO_PROCESSOR

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from deepsynth_tui.conversations.conversation import Message
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.example import Example
    from deepsynth_tui.training.modeling.load import LoadedModel

MAX_SHOWN_CHARACTERS = 1000
"""A longer text of a turn is a document rather than a question: the card does not repeat it."""
DOCUMENT_FILE = "document.txt"


def usage(
    base: LoadedModel, collator: Collator, example: Example, *, location: str
) -> dict[str, Any]:
    """Return JSON values from which `usage_code` makes code that answers `example`.

    `location` is where the result will be: a folder or a Hub id.
    """
    chat = collator.render(example)
    limits = collator.config.model
    processor = type(collator.processor)
    return {
        "location": location,
        "messages": [_message(message, collator) for message in example.messages[:-1]],
        # The processor has no chat template that could render the messages.
        "prompt": chat.prompt if collator.chat_template.is_fallback else None,
        "template_options": dict(chat.last_prompt.options),
        "prompt_suffix": chat.last_prompt.suffix,
        "instruction": example.instruction,
        "pages": len(example.images),
        "min_pixels": limits.min_pixels,
        "max_pixels": limits.max_pixels,
        "add_special_tokens": collator.adds_special_tokens(chat.prompt),
        "pad_token_id": collator.pad_token_id,
        "eos_token_id": sorted(collator.eos_token_ids),
        "max_new_tokens": answer_limit(collator, chat),
        "reads_videos": collator.reads_images and _reads_videos(processor),
        "unquantized_modules": _unquantized_modules(base.model),
        "notes": [*base.pixel_limits.notes, *_quantization_notes(base.model)],
    }


def _unquantized_modules(model: PreTrainedModel) -> list[str]:
    quantization = getattr(model.config, "quantization_config", None)
    return list(getattr(quantization, "llm_int8_skip_modules", None) or [])


def _quantization_notes(model: torch.nn.Module) -> list[str]:
    names = {type(module).__name__ for module in model.modules()}
    if "Bnb4bitParametrization" not in names:
        return []
    return [
        "In training the fused experts were quantized to 4 bits too, which transformers alone does "
        "not do: answers may differ slightly"
    ]


def _message(message: Message, collator: Collator) -> Mapping[str, Any]:
    parts: Sequence[Mapping[str, Any]] = message["content"]
    if not collator.reads_images:  # templates of language models expect text, not parts
        text = "".join(part["text"] for part in parts)
        return {"role": message["role"], "content": _shown(text)}
    return {
        "role": message["role"],
        "content": [
            {**part, "text": _shown(part["text"])} if part["type"] == "text" else dict(part)
            for part in parts
        ],
    }


def _shown(text: str) -> str | dict[str, str]:
    """Return a text, or the file that stands for it."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else {"file": DOCUMENT_FILE}


def _reads_videos(processor_class: type[Any]) -> bool:
    """Whether the processor, as others load it, has a video processor, which needs torchvision."""
    return any(
        VIDEO_PROCESSOR in parent.get_attributes()
        for parent in processor_class.__mro__
        if hasattr(parent, "get_attributes")
    )
