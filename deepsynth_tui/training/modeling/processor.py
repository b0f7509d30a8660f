"""The processor of a checkpoint: tokenizer, image processor and chat template, without weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    PROCESSOR_MAPPING,
    AutoConfig,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    ProcessorMixin,
)
from transformers.models.auto.processing_auto import processor_class_from_name
from transformers.tokenization_utils_base import TOKENIZER_CONFIG_FILE
from transformers.utils import IMAGE_PROCESSOR_NAME, PROCESSOR_NAME
from transformers.utils.hub import cached_file
from transformers.utils.import_utils import is_torchvision_available

from deepsynth_tui import builtin
from deepsynth_tui.models.hub_config import hub_is_reachable
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.pixel_limits import PixelLimits, apply_pixel_limits
from deepsynth_tui.training.modeling.video_processor import VIDEO_PROCESSOR, load_without_video
from deepsynth_tui.training.text_encoder.instruction_tokenizer import (
    InstructionTokenizer,
    load_instruction_tokenizer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from deepsynth_tui.config.model import ModelSettings
    from deepsynth_tui.config.training import TrainingConfig


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """Everything that turns documents into model inputs.

    `processor` is a processor for an image model and a tokenizer for a language model.
    `pixel_limits` are those of `model:` that it does not apply itself.
    `generation_config` has the tokens at which generation ends; None for a model that does not
    generate. `instruction_tokenizer` is None without a text encoder.
    """

    processor: ProcessorMixin | PreTrainedTokenizerBase
    pixel_limits: PixelLimits
    reads_images: bool
    generation_config: GenerationConfig | None
    instruction_tokenizer: InstructionTokenizer | None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return tokenizer_of(self.processor)


def load_preprocessor(config: TrainingConfig, *, local_files_only: bool) -> Preprocessor:
    """Load what `load_model_and_processor` loads except for the weights: a few MB.

    Raises:
        TrainingError: as `load_model_and_processor`.
        OSError: a file is missing; with `local_files_only`, on this machine.
    """
    settings = config.model
    path = builtin.locate(settings.name_or_path)
    options: dict[str, Any] = {
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
        "local_files_only": local_files_only,
    }
    model_config = AutoConfig.from_pretrained(path, **options)
    reads_images = is_image_model(model_config, settings)
    processor, pixel_limits = apply_pixel_limits(
        load_processor(path, reads_images=reads_images, **options), settings
    )
    options.pop("trust_remote_code")
    try:
        generation_config = GenerationConfig.from_pretrained(path, **options)
    except OSError:  # most checkpoints have none; transformers then reads the model's config
        generation_config = GenerationConfig.from_model_config(model_config)
    return Preprocessor(
        processor=processor,
        pixel_limits=pixel_limits,
        reads_images=reads_images,
        generation_config=generation_config,
        instruction_tokenizer=instruction_tokenizer_of(config, local_files_only=local_files_only),
    )


def load_preprocessor_offline_first(config: TrainingConfig) -> Preprocessor:
    """Load the preprocessor from this machine or, if a file is missing, from the Hub.

    Raises:
        TrainingError: as `load_preprocessor`.
        OSError: a file is missing on this machine, and the Hub lacks it or cannot be reached.
    """
    try:
        return load_preprocessor(config, local_files_only=True)
    except OSError:
        if not hub_is_reachable():
            raise
    return load_preprocessor(config, local_files_only=False)


def load_processor(
    path: str, *, reads_images: bool, **options: Any
) -> ProcessorMixin | PreTrainedTokenizerBase:
    """Load the processor of an image model or the tokenizer of a language model.

    A tokenizer without a padding token pads with its end-of-text token: padding is masked, so any
    token will do.

    Raises:
        TrainingError: an image model has no image processor.
        OSError: the checkpoint has no processor or tokenizer.
    """
    load = load_image_text_processor if reads_images else AutoTokenizer.from_pretrained
    processor = load(path, **options)
    if reads_images and getattr(processor, "image_processor", None) is None:
        raise TrainingError(
            f"{path} is an image model, but its checkpoint has no image processor",
            "Copy preprocessor_config.json or processor_config.json of the original model into it.",
        )
    tokenizer = tokenizer_of(processor)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def load_image_text_processor(path: str, **options: Any) -> ProcessorMixin:
    """Load the processor of an image model, without its video processor if torchvision is missing.

    Raises:
        OSError: the checkpoint has no processor.
    """
    if not is_torchvision_available():
        processor_class = processor_class_of(path, **options)
        if processor_class is not None and VIDEO_PROCESSOR in processor_class.get_attributes():
            return load_without_video(processor_class, path, **options)
    return AutoProcessor.from_pretrained(path, **options)


def processor_class_of(path: str, **options: Any) -> Any:
    """Return the processor class that `AutoProcessor` chooses for a checkpoint, None if unknown.

    Its files name the class; for some models (GLM-OCR) transformers knows none by the type.
    """
    trusted = options.pop("trust_remote_code", False)
    for name in (PROCESSOR_NAME, IMAGE_PROCESSOR_NAME, TOKENIZER_CONFIG_FILE):
        file = cached_file(path, name, _raise_exceptions_for_missing_entries=False, **options)
        content = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        class_name = content.get("processor_class")
        processor_class = processor_class_from_name(class_name) if class_name else None
        if processor_class is not None:
            return processor_class
    config = AutoConfig.from_pretrained(path, trust_remote_code=trusted, **options)
    return PROCESSOR_MAPPING.get(type(config), None)


def is_image_model(model_config: PreTrainedConfig, settings: ModelSettings) -> bool:
    """Return whether the checkpoint is an image-text-to-text model; False for a language model.

    Raises:
        TrainingError: it is neither.
    """
    auto_map = getattr(model_config, "auto_map", None) or {}
    if not settings.trust_remote_code:
        auto_map = {}
    config_class = type(model_config)
    if (
        config_class in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        or "AutoModelForImageTextToText" in auto_map
    ):
        return True
    if config_class in MODEL_FOR_CAUSAL_LM_MAPPING or "AutoModelForCausalLM" in auto_map:
        return False
    raise TrainingError(
        f"{settings.name_or_path} is a {model_config.model_type} model, which neither reads pages "
        "nor writes text",
        "Choose an image-text-to-text model, or a causal language model to train on text only.",
    )


def tokenizer_of(
    processor: ProcessorMixin | PreTrainedTokenizerBase,
) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a processor; a tokenizer is returned as it is."""
    return processor.tokenizer if isinstance(processor, ProcessorMixin) else processor


def instruction_tokenizer_of(config: TrainingConfig, **options: Any) -> InstructionTokenizer | None:
    """Load the tokenizer of the text encoder; None where `text_encoder:` is off."""
    settings = config.text_encoder
    return load_instruction_tokenizer(settings, **options) if settings.enabled else None
