"""Patch embeddings as linear layers: equal outputs and gradients."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionPatchEmbed

from deepsynth_tui.training.modeling.patch_embedding import compute_patch_embeddings_as_linears

KERNEL = (2, 4, 4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 3, *KERNEL), (1, 3, 4, 8, 12), (3, *KERNEL)])
def test_a_linear_equals_the_convolution(bias: bool, shape: tuple[int, ...]) -> None:
    convolution = nn.Conv3d(3, 16, KERNEL, stride=KERNEL, bias=bias, dtype=torch.float64)
    as_linear = copy.deepcopy(convolution)
    assert compute_patch_embeddings_as_linears(as_linear) == 1
    copied = copy.deepcopy(as_linear)  # PEFT copies a module of modules_to_save
    x = torch.randn(shape, dtype=torch.float64)
    expected = convolution(x)
    expected.square().sum().backward()
    for module in (as_linear, copied):
        output = module(x)
        torch.testing.assert_close(output, expected)
        output.square().sum().backward()
        torch.testing.assert_close(module.weight.grad, convolution.weight.grad)
    assert as_linear.state_dict().keys() == convolution.state_dict().keys()


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": KERNEL, "stride": 1},
        {"kernel_size": KERNEL, "stride": KERNEL, "padding": 1},
        {"kernel_size": (1, 2, 2), "stride": (1, 2, 2), "groups": 4},
    ],
)
def test_other_convolutions_stay(options: dict[str, Any]) -> None:
    assert compute_patch_embeddings_as_linears(nn.Conv3d(4, 8, **options)) == 0


def test_the_patch_embedding_of_a_family() -> None:
    config = AutoConfig.for_model("qwen3_vl").vision_config
    embedding = Qwen3VLVisionPatchEmbed(config)
    patches = torch.randn(5, 3 * config.temporal_patch_size * config.patch_size**2)
    expected = embedding(patches)
    assert compute_patch_embeddings_as_linears(embedding) == 1
    torch.testing.assert_close(embedding(patches), expected, rtol=1e-4, atol=1e-5)
