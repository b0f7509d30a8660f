"""Processors of models that could read videos too, on a machine that has no torchvision.

transformers loads a video processor for each of them (Qwen-VL, SmolVLM), and that needs
torchvision, which pages do not.
"""

from __future__ import annotations

from typing import Any

from transformers import PROCESSOR_MAPPING, AutoConfig, AutoProcessor, ProcessorMixin
from transformers.utils.import_utils import is_torchvision_available

VIDEO = "video_processor"


def load_image_text_processor(path: str, **source: Any) -> ProcessorMixin:
    """Load the processor of an image model, without its part for videos where that cannot be had.

    Raises:
        OSError: the checkpoint has no processor.
    """
    if not is_torchvision_available():
        architecture = type(AutoConfig.from_pretrained(path, **source))
        kind: Any = PROCESSOR_MAPPING.get(architecture, None)
        if kind is not None and VIDEO in kind.get_attributes():
            return without_video(kind).from_pretrained(path, **source)
    return AutoProcessor.from_pretrained(path, **source)


def without_video(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """The class without its video processor, under its own name, which goes into saved files."""

    def get_attributes(cls: type[ProcessorMixin]) -> list[str]:
        return [name for name in kind.get_attributes() if name != VIDEO]

    def from_args_and_dict(
        cls: type[ProcessorMixin], args: Any, processor_dict: dict[str, Any], **named: Any
    ) -> Any:
        without = {**processor_dict, VIDEO: None}  # SmolVLM's has no default
        return kind.from_args_and_dict.__func__(cls, args, without, **named)

    changed = {
        "get_attributes": classmethod(get_attributes),
        "from_args_and_dict": classmethod(from_args_and_dict),
        # SmolVLM's own asks the missing part how many frames it takes, then calls this one.
        "apply_chat_template": ProcessorMixin.apply_chat_template,
    }
    return type(kind.__name__, (kind,), changed)
