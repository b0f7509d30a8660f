"""Load the base model with its processor, whatever the architecture of the checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from deepsynth_tui import builtin
from deepsynth_tui.models.remote_code import code_options
from deepsynth_tui.training.modeling.download_progress import Report, reporting_bar
from deepsynth_tui.training.modeling.patch_embedding import compute_patch_embeddings_as_linears
from deepsynth_tui.training.modeling.pixel_limits import apply_pixel_limits
from deepsynth_tui.training.modeling.processor import (
    Preprocessor,
    instruction_tokenizer_of,
    is_image_model,
    load_processor,
)
from deepsynth_tui.training.modeling.quantization import (
    bitsandbytes_config,
    disable_avx512_repacking,
    experts_to_quantize,
    flatten_8bit_inputs,
    quantize_experts,
)
from deepsynth_tui.training.modeling.revisions import pin_revisions, resolve_commit
from deepsynth_tui.training.usable_gpu import require_usable_gpu

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig


@dataclass(frozen=True, slots=True)
class LoadedModel(Preprocessor):
    """A model with its preprocessor. `commit` is the Hub commit loaded, None for a folder."""

    model: PreTrainedModel
    name: str
    path: str
    commit: str | None


def load_model_and_processor(
    config: TrainingConfig, *, stay_on_cpu: bool = False, on_download: Report | None = None
) -> LoadedModel:
    """Load model and processor according to `model:` and `quantization:`, in evaluation mode.

    The weights are loaded onto this process's GPU, or onto the CPU without CUDA or with
    `stay_on_cpu`. `on_download` is called while weights are downloaded.

    Raises:
        TrainingError: PyTorch cannot use the GPU, the architecture is neither image-text-to-text
            nor a causal language model, an image model has no image processor, or the text encoder
            is of another family.
        OSError: the checkpoint or a part of it is missing; the Hub cannot be reached.
        ImportError: the checkpoint needs a package that is not installed.
    """
    require_usable_gpu()
    settings = config.model
    path = builtin.locate(settings.name_or_path)
    commit = resolve_commit(path, settings.revision)
    if commit is not None:  # one commit for all files, whatever is pushed in the meantime
        config = pin_revisions(config, model=commit)
        settings = config.model
    options: dict[str, Any] = {
        "revision": settings.revision,
        "trust_remote_code": settings.trust_remote_code,
    }
    try:
        model_config = AutoConfig.from_pretrained(path, **options)
    except OSError as error:  # its message does not always name the model
        raise OSError(f"model.name_or_path: {settings.name_or_path} cannot be loaded") from error
    reads_images = is_image_model(model_config, settings)
    instruction_tokenizer = instruction_tokenizer_of(config)
    model = load_model(
        path,
        model_config,
        config,
        reads_images=reads_images,
        stay_on_cpu=stay_on_cpu,
        on_download=on_download,
    )
    processor, pixel_limits = apply_pixel_limits(
        load_processor(path, reads_images=reads_images, **options), settings
    )
    return LoadedModel(
        model=model,
        processor=processor,
        pixel_limits=pixel_limits,
        reads_images=reads_images,
        generation_config=model.generation_config,
        instruction_tokenizer=instruction_tokenizer,
        name=settings.name_or_path,
        path=path,
        commit=commit,
    )


def load_saved_model(folder: Path, config: TrainingConfig) -> PreTrainedModel:
    """Load the whole model that a run of `config` without LoRA saved.

    Raises:
        OSError: there is no such model.
    """
    settings = config.model.model_copy(update={"name_or_path": str(folder), "revision": None})
    return load_model_and_processor(config.model_copy(update={"model": settings})).model


def load_model(
    path: str,
    model_config: PreTrainedConfig,
    config: TrainingConfig,
    *,
    reads_images: bool,
    stay_on_cpu: bool = False,
    on_download: Report | None = None,
) -> PreTrainedModel:
    """Load the weights of a checkpoint, quantized according to `quantization:`.

    Raises:
        OSError: the checkpoint or a part of it is missing.
        ImportError: the checkpoint needs a package that is not installed.
    """
    settings = config.model
    auto_class = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    options: dict[str, Any] = {}
    if config.quantization.enabled:
        with torch.device("meta"):
            without_weights = auto_class.from_config(
                model_config,
                **code_options(
                    auto_class,
                    model_config,
                    trust_remote_code=settings.trust_remote_code,
                    revision=settings.revision,
                ),
            )
        # None would hide from transformers that a checkpoint is quantized.
        options["quantization_config"] = bitsandbytes_config(without_weights, config)
    model = auto_class.from_pretrained(
        path,
        dtype=getattr(torch, settings.dtype),
        attn_implementation=settings.attn_implementation,
        device_map={"": torch.device("cpu") if stay_on_cpu else current_device()},
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
        tqdm_class=reporting_bar(on_download) if on_download else None,
        **options,
    )
    if getattr(model, "is_quantized", False):  # by the settings, or in the checkpoint already
        # Experts are left only in a checkpoint that has quantized linears.
        quantize_experts(experts_to_quantize(model, config), config)
        disable_avx512_repacking(model)
        flatten_8bit_inputs(model)
    if current_device().type == "cuda":
        compute_patch_embeddings_as_linears(model)
    return model.eval()


def current_device() -> torch.device:
    """Return the current CUDA device of this process, or the CPU without CUDA."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


@contextlib.contextmanager
def no_grad_autocast(config: TrainingConfig) -> Iterator[None]:
    """Compute with the autocast of training, but without gradients."""
    training = config.training
    dtype = torch.bfloat16 if training.bf16 else torch.float16
    enabled = training.bf16 or training.fp16
    autocast = torch.autocast(current_device().type, dtype=dtype, enabled=enabled)
    with torch.no_grad(), autocast:
        yield
