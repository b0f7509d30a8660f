"""Processors that also read videos (Qwen-VL, SmolVLM), without torchvision.

transformers loads their video processor together with them. It needs torchvision, which pages do
not. What the checkpoint says about videos is kept as it is, so that the processor saved with an
adapter loads where torchvision is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import ProcessorMixin
from transformers.models.auto.video_processing_auto import get_video_processor_config
from transformers.utils import VIDEO_PROCESSOR_NAME
from transformers.utils.hub import cached_file

VIDEO_PROCESSOR = "video_processor"


def load_without_video(
    processor_class: type[ProcessorMixin], path: str, **options: Any
) -> ProcessorMixin:
    """Load a processor without its video processor, whose configuration is saved with it.

    Raises:
        OSError: the checkpoint has no processor.
    """
    processor: Any = without_video(processor_class).from_pretrained(path, **options)
    options.pop("trust_remote_code", None)
    # Of whichever file transformers would read; of older checkpoints that of the image processor.
    processor.video_config = get_video_processor_config(path, **options)
    file = cached_file(
        path, VIDEO_PROCESSOR_NAME, _raise_exceptions_for_missing_entries=False, **options
    )
    processor.video_file = Path(file).read_bytes() if file else None
    return processor


def without_video(processor_class: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """Return a subclass without a video processor; it keeps the name, which is saved in files.

    It saves `video_config` as the video processor's part of `processor_config.json`, and
    `video_file` as the file that older checkpoints have in its place.
    """

    def get_attributes(cls: type[ProcessorMixin]) -> list[str]:
        return [name for name in processor_class.get_attributes() if name != VIDEO_PROCESSOR]

    def from_args_and_dict(
        cls: type[ProcessorMixin], args: Any, processor_dict: dict[str, Any], **kwargs: Any
    ) -> Any:
        values = {**processor_dict, VIDEO_PROCESSOR: None}  # required by SmolVLM's processor
        return processor_class.from_args_and_dict.__func__(cls, args, values, **kwargs)

    def to_dict(self: Any) -> dict[str, Any]:
        values = processor_class.to_dict(self)
        return {**values, VIDEO_PROCESSOR: self.video_config} if self.video_config else values

    def save_pretrained(self: Any, save_directory: str, *args: Any, **kwargs: Any) -> Any:
        saved = processor_class.save_pretrained(self, save_directory, *args, **kwargs)
        if self.video_file is not None:
            (Path(save_directory) / VIDEO_PROCESSOR_NAME).write_bytes(self.video_file)
        return saved

    overrides = {
        "video_config": {},
        "video_file": None,
        "get_attributes": classmethod(get_attributes),
        "from_args_and_dict": classmethod(from_args_and_dict),
        "to_dict": to_dict,
        "save_pretrained": save_pretrained,
        # SmolVLM's own method asks the video processor for its number of frames, then calls this.
        "apply_chat_template": ProcessorMixin.apply_chat_template,
    }
    return type(processor_class.__name__, (processor_class,), overrides)
