"""Loading the base model and its processor, whichever architecture the checkpoint has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    GenerationConfig,
    ProcessorMixin,
)

from deepsynth_tui import builtin
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.processor import load_image_text_processor
from deepsynth_tui.training.modeling.quantization import (
    bitsandbytes_config,
    flatten_for_cpu,
    keep_differentiable,
    quantize_fused_experts,
)
from deepsynth_tui.training.modeling.revisions import commit_of, pinned
from deepsynth_tui.training.text_encoder.instructions import Instructions, load_instructions

if TYPE_CHECKING:
    from transformers import (
        PreTrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

    from deepsynth_tui.config.training import ModelSettings, TrainingConfig


@dataclass(frozen=True, slots=True)
class Reader:
    """What turns documents into a model's inputs; the weights have no part in it.

    `generation` says at which tokens the model ends, None for a model that does not generate.
    `instructions` is there where a text encoder reads them.
    """

    processor: ProcessorMixin | PreTrainedTokenizerBase
    reads_images: bool
    generation: GenerationConfig | None
    instructions: Instructions | None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return tokenizer_of(self.processor)


@dataclass(frozen=True, slots=True)
class Base(Reader):
    """A loaded model with its reader. `commit` is the Hub commit loaded, None for a folder."""

    model: PreTrainedModel
    name: str
    path: str
    commit: str | None


def load_base(config: TrainingConfig, *, stay_on_cpu: bool = False) -> Base:
    """Load model and processor as `model:` and `quantization:` say, in evaluation mode.

    With CUDA the weights go straight to the first GPU, else, or when they are to `stay_on_cpu`, to
    the CPU.

    Raises:
        TrainingError: the architecture is neither image-text-to-text nor a causal language model,
            an image model has no image processor, or the text encoder is of another family.
        OSError: the checkpoint or a part of it is missing; the Hub cannot be reached.
        ImportError: the checkpoint needs a package that is not installed.
    """
    settings = config.model
    path = builtin.locate(settings.name_or_path)
    commit = commit_of(path, settings.revision)
    if commit is not None:  # one and the same for all files, whatever is pushed meanwhile
        config = pinned(config, model=commit)
        settings = config.model
    source: dict[str, Any] = {
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
    }
    try:
        architecture = AutoConfig.from_pretrained(path, **source)
    except OSError as error:  # which does not always say what it was looking for
        raise OSError(f"model.name_or_path: {settings.name_or_path} cannot be loaded") from error
    reads_images = is_image_model(architecture, settings)
    instructions = _instructions(config)
    model = load_model(path, config, reads_images=reads_images, stay_on_cpu=stay_on_cpu)
    return Base(
        model=model,
        processor=load_processor(path, reads_images=reads_images, **source),
        reads_images=reads_images,
        generation=model.generation_config,
        instructions=instructions,
        name=settings.name_or_path,
        path=path,
        commit=commit,
    )


def load_model(
    path: str, config: TrainingConfig, *, reads_images: bool, stay_on_cpu: bool = False
) -> PreTrainedModel:
    """Load the weights of a checkpoint, quantised where `quantization:` says so.

    Raises:
        OSError: the checkpoint or a part of it is missing.
        ImportError: the checkpoint needs a package that is not installed.
    """
    settings = config.model
    auto_class = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    model = auto_class.from_pretrained(
        path,
        dtype=getattr(torch, settings.dtype),
        attn_implementation=settings.attn_implementation,
        quantization_config=bitsandbytes_config(config),
        device_map={"": torch.device("cpu") if stay_on_cpu else device()},
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
    )
    if config.quantization.enabled:
        quantize_fused_experts(model, config)
        keep_differentiable(model)
        flatten_for_cpu(model)
    return model.eval()


def load_reader(config: TrainingConfig, *, local_files_only: bool) -> Reader:
    """Load what `load_base` would, but for the model itself: a few MB instead of all weights.

    Raises:
        TrainingError: as `load_base`.
        OSError: a file is missing; with `local_files_only`, on this machine.
    """
    settings = config.model
    path = builtin.locate(settings.name_or_path)
    source: dict[str, Any] = {
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
        "local_files_only": local_files_only,
    }
    architecture = AutoConfig.from_pretrained(path, **source)
    reads_images = is_image_model(architecture, settings)
    processor = load_processor(path, reads_images=reads_images, **source)
    source.pop("trust_remote_code")
    try:
        generation = GenerationConfig.from_pretrained(path, **source)
    except OSError:  # most checkpoints have none; transformers then reads the model's config
        generation = GenerationConfig.from_model_config(architecture)
    return Reader(
        processor=processor,
        reads_images=reads_images,
        generation=generation,
        instructions=_instructions(config, local_files_only=local_files_only),
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
    load = load_image_text_processor if reads_images else AutoTokenizer.from_pretrained
    processor = load(path, **source)
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


def _instructions(config: TrainingConfig, **source: Any) -> Instructions | None:
    settings = config.text_encoder
    return load_instructions(settings, **source) if settings.enabled else None


def device() -> torch.device:
    """Return this process's GPU, the first it may see unless it has set another, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


@contextlib.contextmanager
def inference(config: TrainingConfig) -> Iterator[None]:
    """Compute as training does, with its autocast, but without gradients."""
    training = config.training
    half = torch.bfloat16 if training.bf16 else torch.float16
    autocast = torch.autocast(device().type, dtype=half, enabled=training.bf16 or training.fp16)
    with torch.no_grad(), autocast:
        yield
