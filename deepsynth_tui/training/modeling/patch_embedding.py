"""Patch embeddings of Qwen-VL, GLM-V and their relatives: a convolution that is a linear layer."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn


def compute_patch_embeddings_as_linears(model: nn.Module) -> int:
    """Let each `Conv3d` whose kernel is its stride multiply patches by its weights; count them.

    Each patch is the whole input of the kernel, so the outputs are equal. cuDNN has no fast 3-D
    convolution in half precision for them (pytorch issue 174051). Names and weights stay.
    """
    convolutions = [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv3d)
        and module.kernel_size == module.stride
        and module.groups == 1
        and module.padding == (0, 0, 0)
        and module.dilation == (1, 1, 1)
    ]
    for convolution in convolutions:
        forward: Any = partial(_forward, convolution)
        convolution.forward = forward
    return len(convolutions)


def _forward(convolution: nn.Conv3d, patches: torch.Tensor) -> torch.Tensor:
    """Return what the convolution does for (patches, channels, *kernel), or for other inputs."""
    if patches.ndim != 5 or patches.shape[2:] != convolution.kernel_size:
        return nn.Conv3d.forward(convolution, patches)
    weight = convolution.weight.view(convolution.out_channels, -1)
    rows = patches.reshape(-1, convolution.in_channels * prod(convolution.kernel_size))
    return nn.functional.linear(rows, weight, convolution.bias)[:, :, None, None, None]
