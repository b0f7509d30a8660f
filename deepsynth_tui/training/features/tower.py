"""The frozen part of a model that turns pixels into features: whether it can be cached, how it is
run, and how its weights leave the GPU."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from torch import nn

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.features.entry import PageFeatures
from deepsynth_tui.training.modeling.load import no_grad_autocast
from deepsynth_tui.training.modeling.lora import tower_of_parameter

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.features.batch import UnencodedPage

ENCODER_OUTPUTS = "mm_encoder_outputs"
"""Argument of transformers' models that takes the place of pixels."""
_DROPOUT_ATTRIBUTES = ("dropout", "drop_path")


class FeaturesUnsupported(TrainingError):
    """Features cannot take the place of pixels in this run; the message says why."""


class VisionTower:
    """The part of a model that turns pixels into features."""

    def __init__(self, model: PeftModel | PreTrainedModel) -> None:
        self.model: Any = model.get_base_model() if isinstance(model, PeftModel) else model

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.get_input_embeddings().weight.device

    @property
    def encoder_arguments(self) -> frozenset[str]:
        """Names of the arguments of the tower."""
        return frozenset(inspect.signature(self._encode).parameters) - {"kwargs"}

    @property
    def kept_arguments(self) -> set[str]:
        """Names of the model's arguments that it may read beside features.

        M-RoPE reads the grid of a page, which is an argument of the tower as well.
        """
        arguments = frozenset(inspect.signature(self.model.forward).parameters)
        return {n for n in arguments if n not in self.encoder_arguments or n.endswith("grid_thw")}

    def problem(self) -> str | None:
        """Return why features of this model cannot be used in place of its pixels, or None."""
        if not hasattr(self.model.base_model, "get_image_features") or (
            ENCODER_OUTPUTS not in inspect.signature(self.model.forward).parameters
        ):
            return f"{type(self.model).__name__} takes pixels only"
        trained = [name for name, p in self._parameters() if p.requires_grad]
        if trained:
            return f"{_shown(trained[0])} is trained, so features change with every step"
        for name, module in self._modules():
            if probability := _dropout(module):
                return f"{_shown(name)} has a dropout of {probability:g}, so features are random"
        return None

    def encode(self, page: UnencodedPage, config: TrainingConfig) -> PageFeatures:
        """Return the features of a page, on the CPU.

        A page is encoded alone, views and tiles together: with other pages in the same pass, last
        bits would depend on them, and a page that is encoded again would differ.

        Raises:
            FeaturesUnsupported: a part that is trained has had an effect on the features.
        """
        inputs = {
            name: value.to(self.device) if isinstance(value, torch.Tensor) else value
            for name, value in page.encoder_inputs.items()
        }
        # No part of a frozen tower builds a graph: gradients are on to see that there is none.
        with no_grad_autocast(config), torch.enable_grad():
            outputs = self._encode(**inputs, return_dict=True)
        if _joined(outputs.pooler_output).requires_grad:
            raise FeaturesUnsupported(
                "a part of the model that is trained changes them",
                "Turn training.cache_features off.",
            )
        layers = getattr(outputs, "deepstack_features", None)
        return PageFeatures(
            pooled=_joined(outputs.pooler_output).cpu(),
            deepstack=torch.stack([_joined(layer) for layer in layers]).cpu() if layers else None,
            inputs=page.inputs,
            text=page.text,
        )

    def releasable_bytes(self) -> int:
        """Return the bytes of the weights that `released` takes from a GPU."""
        return sum(p.nbytes for _, p in self.releasable())

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Keep the weights in main memory within the block; a page to encode brings them back.

        Quantized weights stay: their scales are not parameters.
        """
        device = self.device
        parameters = [parameter for _, parameter in self.releasable()]

        def move(target: torch.device | str) -> None:
            for parameter in parameters:
                parameter.data = parameter.data.to(target)

        encode = self._encode

        @functools.wraps(encode)  # `generate` reads its arguments
        def bring_back(*args: Any, **kwargs: Any) -> Any:
            move(device)
            try:
                return encode(*args, **kwargs)
            finally:
                move("cpu")

        self.model.base_model.get_image_features = bring_back
        move("cpu")
        try:
            yield
        finally:
            del self.model.base_model.get_image_features
            move(device)

    @property
    def _encode(self) -> Any:
        return self.model.base_model.get_image_features

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, parameter in self.model.named_parameters():
            if tower_of_parameter(name) not in ("language", "head"):
                yield name, parameter

    def releasable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the weights that `released` takes from a GPU, with their names."""
        for name, parameter in self._parameters():
            if parameter.is_floating_point() and tower_of_parameter(name) in (
                "vision",
                "projector",
            ):
                yield name, parameter

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        for name, module in self.model.named_modules():
            if name and tower_of_parameter(name) not in ("language", "head"):
                yield name, module


def _joined(outputs: Any) -> torch.Tensor:
    """Return features of one page as a tensor: most models return a list with one for each page."""
    return outputs if isinstance(outputs, torch.Tensor) else torch.cat(list(outputs))


def _dropout(module: nn.Module) -> float:
    """Return the highest dropout probability of a module itself."""
    if isinstance(module, nn.Dropout):
        return module.p
    values = (
        value
        for name, value in vars(module).items()
        if isinstance(value, float) and any(part in name for part in _DROPOUT_ATTRIBUTES)
    )
    return max(values, default=0.0)


def _shown(name: str) -> str:
    return name.removeprefix("model.").removesuffix(".weight").removesuffix(".bias")
