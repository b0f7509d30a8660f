"""Combined adapters load in plain PEFT and add what the weights say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora.layer import Linear
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from tests.adapters.random_adapters import random_adapter


def combine(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", "combine", *arguments])
    return result.exit_code, result.stdout, result.stderr


def updates(base: Path, adapter: Path) -> dict[str, torch.Tensor]:
    """Return the update of each module, as PEFT computes it."""
    model = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base), adapter)
    return {
        name: module.get_delta_weight("default")
        for name, module in model.named_modules()
        if isinstance(module, Linear)
    }


@pytest.mark.parametrize(
    ("method", "ranks", "rank"), [("cat", (4, 2), 6), ("svd", (4, 2), 4), ("ties", (4, 4), 4)]
)
def test_a_combination_loads_in_plain_peft(
    tmp_path: Path,
    values: dict[str, Any],
    vision_model: Path,
    method: str,
    ranks: tuple[int, int],
    rank: int,
) -> None:
    parts = [
        random_adapter(tmp_path / f"part{n}", values, seed=n, lora__r=r)
        for n, r in enumerate(ranks)
    ]
    folder = tmp_path / "combined"
    code, output, errors = combine(
        *map(str, parts), "--weights", "0.7,0.3", "--method", method, "-o", str(folder), "--json"
    )
    assert code == 0, errors
    assert json.loads(output)["r"] == rank
    combined, *originals = (updates(vision_model, path) for path in (folder, *parts))
    assert combined.keys() == originals[0].keys()
    for name, update in combined.items():
        expected = 0.7 * originals[0][name] + 0.3 * originals[1][name]
        if method == "cat":
            torch.testing.assert_close(update, expected)
        elif method == "svd":  # nothing of rank 4 is nearer
            values_left = torch.linalg.svdvals(expected)[rank:]
            distance = (update - expected).norm()
            assert distance.item() == pytest.approx(values_left.norm().item(), rel=1e-3)
        assert update.norm() > 0
    lineage = json.loads((folder / "deepsynth.json").read_text())
    assert [part["weight"] for part in lineage["combined"]["parts"]] == [0.7, 0.3]


@pytest.mark.parametrize(
    ("changes", "arguments", "reason"),
    [
        ({}, ["--weights", "1"], "1 weights for 2 adapters"),
        ({}, ["--weights", "0.5;0.5"], "not numbers"),
        ({}, ["--weights", "0.5,nan"], "not finite"),
        ({"lora__use_dora": True}, ["--weights", "0.5,0.5"], "DoRA"),
        ({"lora__modules_to_save": ["lm_head"]}, ["--weights", "0.5,0.5"], "replaces lm_head"),
        ({"model__dtype": "bfloat16"}, ["--weights", "0.5,0.5"], "same base model"),
        ({"lora__r": 8}, ["--weights", "0.5,0.5", "--method", "ties"], "same rank"),
    ],
)
def test_what_cannot_be_combined_is_refused(
    tmp_path: Path,
    values: dict[str, Any],
    changes: dict[str, Any],
    arguments: list[str],
    reason: str,
) -> None:
    parts = [
        random_adapter(tmp_path / "a", values),
        random_adapter(tmp_path / "b", values, seed=2, **changes),
    ]
    code, _, errors = combine(*map(str, parts), *arguments, "-o", str(tmp_path / "c"))
    assert code in (1, 2)
    assert reason in errors
    assert not (tmp_path / "c").exists()


@pytest.mark.own_process
def test_a_process_of_its_own_combines_and_refuses(tmp_path: Path, values: dict[str, Any]) -> None:
    parts = [str(random_adapter(tmp_path / str(n), values, seed=n)) for n in range(2)]
    folder = tmp_path / "combined"
    code, output, errors = combine(*parts, "--weights", "1,1", "-o", str(folder), "--json")
    assert code == 0, errors
    assert json.loads(output)["r"] == json.loads((folder / "adapter_config.json").read_text())["r"]
    code, _, errors = combine(*parts, "--weights", "1,1", "-o", str(folder))
    assert code in (1, 2)
    assert str(folder) in errors
