"""Loading the base model and its processor, whichever architecture the checkpoint has."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    ProcessorMixin,
)

from deepsynth_tui import builtin
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.quantization import (
    bitsandbytes_config,
    keep_differentiable,
    quantize_fused_experts,
)

if TYPE_CHECKING:
    from transformers import (
        PreTrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

    from deepsynth_tui.config.training import ModelSettings, TrainingConfig


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded model and what turns documents into its inputs.

    `processor` is the tokenizer itself for a model that reads no images. `commit` is the Hub
    commit that was loaded, None for a folder.
    """

    model: PreTrainedModel
    processor: ProcessorMixin | PreTrainedTokenizerBase
    reads_images: bool
    name: str
    path: str
    commit: str | None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return tokenizer_of(self.processor)


def load_base(config: TrainingConfig) -> Base:
    """Load model and processor as `model:` and `quantization:` say, in evaluation mode.

    With CUDA the weights go straight to the first GPU, else to the CPU.

    Raises:
        TrainingError: the architecture is neither image-text-to-text nor a causal language model,
            or an image model has no image processor.
        OSError: the checkpoint or a part of it is missing; the Hub cannot be reached.
        ImportError: the checkpoint needs a package that is not installed.
    """
    settings = config.model
    path = builtin.locate(settings.name_or_path)
    source: dict[str, Any] = {
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
    }
    try:
        architecture = AutoConfig.from_pretrained(path, **source)
    except OSError as error:  # which does not always say what it was looking for
        raise OSError(f"model.name_or_path: {settings.name_or_path} cannot be loaded") from error
    reads_images = is_image_model(architecture, settings)
    auto_class = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    model = auto_class.from_pretrained(
        path,
        dtype=getattr(torch, settings.dtype),
        attn_implementation=settings.attn_implementation,
        quantization_config=bitsandbytes_config(config),
        device_map={"": device()},
        **source,
    )
    if config.quantization.enabled:
        quantize_fused_experts(model, config)
        keep_differentiable(model)
    return Base(
        model=model.eval(),
        processor=load_processor(path, reads_images=reads_images, **source),
        reads_images=reads_images,
        name=settings.name_or_path,
        path=path,
        commit=getattr(architecture, "_commit_hash", None),
    )


def is_image_model(architecture: PreTrainedConfig, settings: ModelSettings) -> bool:
    """Whether the checkpoint is an image-text-to-text model; False for a language model.

    Raises:
        TrainingError: it is neither.
    """
    remote = getattr(architecture, "auto_map", None) or {}
    if not settings.trust_remote_code:
        remote = {}
    kind = type(architecture)
    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING or "AutoModelForImageTextToText" in remote:
        return True
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING or "AutoModelForCausalLM" in remote:
        return False
    raise TrainingError(
        f"{settings.name_or_path} is a {architecture.model_type} model, which neither reads pages "
        "nor writes text",
        "Choose an image-text-to-text model, or a causal language model for text alone.",
    )


def load_processor(
    path: str, *, reads_images: bool, **source: Any
) -> ProcessorMixin | PreTrainedTokenizerBase:
    """Load the processor of an image model, or the tokenizer of a language model.

    A tokenizer without a padding token pads with its end-of-text token: padding is masked, so any
    token does.
    """
    loader = AutoProcessor if reads_images else AutoTokenizer
    processor = loader.from_pretrained(path, **source)
    if reads_images and getattr(processor, "image_processor", None) is None:
        raise TrainingError(
            f"{path} is an image model, but has no image processor beside its weights",
            "Copy preprocessor_config.json or processor_config.json of the original into it.",
        )
    tokenizer = tokenizer_of(processor)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def tokenizer_of(
    processor: ProcessorMixin | PreTrainedTokenizerBase,
) -> PreTrainedTokenizerBase:
    """Return the tokenizer inside a processor, or the tokenizer that it is."""
    return processor.tokenizer if isinstance(processor, ProcessorMixin) else processor


def device() -> torch.device:
    """Return the first GPU that this process may see, else the CPU."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


@contextlib.contextmanager
def inference(config: TrainingConfig):  # noqa: ANN201 - a generator behind contextmanager
    """Compute as training does, with its autocast, but without gradients."""
    training = config.training
    half = torch.bfloat16 if training.bf16 else torch.float16
    autocast = torch.autocast(device().type, dtype=half, enabled=training.bf16 or training.fp16)
    with torch.no_grad(), autocast:
        yield
