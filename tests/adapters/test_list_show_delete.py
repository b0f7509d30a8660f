"""Adapters are found, described and deleted without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from typer.testing import CliRunner

from deepsynth_tui.adapters.find import find_adapter
from deepsynth_tui.cli import app
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.lock import claim
from deepsynth_tui.terminal_text import terminal_text
from tests.adapters.adapter_files import linear, of_rank, write


def run_with_adapter(home: Path, name: str = "reads", used: int = 6) -> RunDirectory:
    run = create_run(home, kind="training", name=name, config_text="kind: training\n")
    write(run.adapter, linear(0, *of_rank(64, used)), r=64, lora_alpha=128)
    return run


def command(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_rank_of_64_that_uses_6_says_so(home: Path) -> None:
    run = run_with_adapter(home)
    code, output, _ = command("show", run.id, "--json")
    shown = json.loads(output)
    (layer,) = shown["layers"]
    assert code == 0
    assert layer["rank_used"] == 6
    assert layer["effective_rank"] == pytest.approx(6)
    assert layer["norm"] == pytest.approx(2 * 6**0.5)  # alpha / r is 2; six singular values of 1
    assert (layer["tower"], shown["towers"]) == ("language", {"language": 1})
    assert (shown["base"], shown["base_commit"]) == ("org/base", "abc")
    _, text, _ = command("show", str(run.adapter))
    assert "6 of 64" in text
    assert "No module uses more than 6 of its rank of 64" in text
    assert terminal_text(text) == text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_norms_and_singular_values_are_those_of_the_update_that_peft_computes(
    tmp_path: Path, dtype: torch.dtype, use_rslora: bool
) -> None:
    torch.manual_seed(0)
    base = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(24, 40), nn.Linear(40, 24)])})
    config = LoraConfig(
        r=4,
        lora_alpha=3,
        target_modules=["blocks.0", "blocks.1"],
        rank_pattern={"blocks.1": 8},
        alpha_pattern={r"blocks\.1": 5},
        use_rslora=use_rslora,
        init_lora_weights=False,
    )
    model = get_peft_model(base, config).to(dtype)  # pyright: ignore[reportArgumentType]
    model.save_pretrained(str(tmp_path))
    for layer, update in zip(
        base["blocks"],  # pyright: ignore[reportArgumentType]
        find_adapter(str(tmp_path)).updates(),
        strict=True,
    ):
        values = torch.linalg.svdvals(layer.float().get_delta_weight("default"))[: update.r]
        shares = values / values.sum()
        assert update.norm == pytest.approx(values.norm().item(), rel=1e-3)
        entropy = -(shares * shares.log()).sum()
        assert update.effective_rank == pytest.approx(entropy.exp().item(), rel=1e-3)


def test_experts_are_analysed_one_by_one(tmp_path: Path) -> None:
    """As PEFT's ParamWrapper stores them: A (experts * r, in), B (out, r * experts)."""
    factors = [of_rank(4, used, size=8) for used in (1, 3)]
    a = torch.cat([a for a, _ in factors])
    b = torch.stack([b for _, b in factors], dim=2).reshape(8, -1)
    module = "base_model.model.model.layers.0.mlp.experts"
    write(
        tmp_path / "moe",
        {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b},
        r=4,
        lora_alpha=4,
        target_parameters=["mlp.experts.down_proj"],
    )
    (update,) = find_adapter(str(tmp_path / "moe")).updates()
    assert update.module == "model.layers.0.mlp.experts.down_proj"
    assert (update.experts, update.rank_used) == (2, 3)
    assert update.norm == pytest.approx(2.0)  # four singular values of 1


def test_replaced_modules_and_zero_updates_are_said(tmp_path: Path) -> None:
    a, b = of_rank(4, 2)
    tensors = linear(0, a, torch.zeros_like(b)) | {"base_model.model.lm_head.weight": a.clone()}
    write(tmp_path / "a", tensors, r=4, lora_alpha=4, modules_to_save=["lm_head"], use_dora=True)
    code, output, _ = command("show", str(tmp_path / "a"))
    assert code == 0
    assert "lm_head.weight (384)" in output
    assert "Every update is zero" in output
    assert "DoRA" in output


def test_runs_and_folders_are_listed_with_what_is_damaged(home: Path, tmp_path: Path) -> None:
    whole, half = run_with_adapter(home, "whole"), run_with_adapter(home, "half")
    (half.adapter / "adapter_config.json").unlink()
    create_run(home, kind="training", name="none", config_text="kind: training\n")
    _, output, _ = command("list", "--json")
    listed = {entry["name"]: entry for entry in json.loads(output)}
    assert listed.keys() == {whole.id, half.id}
    assert listed[whole.id]["r"] == 64
    assert listed[half.id]["problem"] == "adapter_config.json missing"

    other = write(tmp_path / "deep" / "er" / "b", linear(0, *of_rank(4, 2)), r=4)
    weights = tmp_path / "deep" / "torn"
    write(weights, linear(0, *of_rank(4, 2)), r=4)
    file = weights / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    code, output, _ = command("list", str(tmp_path / "deep"))
    assert code == 0
    assert str(other) in output
    assert "unusable" in output
    assert "truncated" in output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "no adapter and no run"),
        ("{}/empty", "has no adapter_config.json"),
        ("{}/half", "has no adapter_model.safetensors"),
        ("{}/shapes", "do not have the rank 64"),
        ("{}/factor", "has no lora_B"),
        ("{}/config", "cannot be read"),
        ("{}/other", "no configuration of a PEFT adapter"),
        ("org/adapter", "org/adapter"),  # the Hub is offline
    ],
)
def test_what_is_no_adapter_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    a, b = of_rank(4, 2)
    (tmp_path / "empty").mkdir()
    (write(tmp_path / "half", {"x": a}, r=4) / "adapter_model.safetensors").unlink()
    write(tmp_path / "shapes", linear(0, a, b), r=64)
    write(tmp_path / "factor", dict(list(linear(0, a, b).items())[:1]), r=4)
    (write(tmp_path / "config", {"x": a}) / "adapter_config.json").write_text('{"r": ')
    (write(tmp_path / "other", {"x": a}) / "adapter_config.json").write_text("{}")
    code, output, errors = command("show", name.format(tmp_path))
    assert code in (1, 2)
    assert not output
    assert reason in errors
    assert "Traceback" not in errors


def test_delete_frees_the_adapter_of_a_run_and_nothing_else(home: Path) -> None:
    run = run_with_adapter(home)
    assert command("delete", run.id)[0] == 2  # nobody can be asked
    assert run.adapter.is_dir()
    with claim(run):
        code, _, errors = command("delete", run.id, "--yes")
        assert (code, "running" in errors) == (1, True)
    code, output, _ = command("delete", run.id, "--yes", "--json")
    (deleted,) = json.loads(output)
    assert code == 0
    assert deleted["freed_bytes"] > 0
    assert not run.adapter.exists()
    assert run.config.is_file()
    assert [entry.name for entry in run.path.iterdir() if "adapter" in entry.name] == []


def test_delete_leaves_a_folder_that_holds_other_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", linear(0, *of_rank(4, 2)), r=4)
    other = write(tmp_path / "b", linear(0, *of_rank(4, 2)), r=4)
    (folder / "thesis.docx").write_text("years of work")
    code, _, errors = command("delete", str(other), str(folder), "--yes")
    assert code == 1
    assert "thesis.docx" in errors
    assert folder.is_dir()
    assert other.is_dir()  # nothing is deleted where something is refused
    assert command("delete", str(other), "--yes")[0] == 0
    assert not other.exists()


def test_a_damaged_adapter_can_be_deleted(home: Path) -> None:
    run = run_with_adapter(home)
    (run.adapter / "adapter_config.json").unlink()
    assert command("delete", run.id, "--yes")[0] == 0
    assert not run.adapter.exists()


def test_list_and_show_import_no_torch(home: Path) -> None:
    run = run_with_adapter(home)
    code = (
        "import sys\n"
        "from deepsynth_tui.adapters.description_text import description_lines, list_line\n"
        "from deepsynth_tui.adapters.find import find_adapter, list_adapters\n"
        "from deepsynth_tui.adapters.delete import plan_deletion\n"
        "from deepsynth_tui.config.locations import home\n"
        f"adapter = find_adapter({run.id!r})\n"
        "from deepsynth_tui.adapters.exam.of_adapter import exams_of\n"
        "assert list(exams_of(adapter, home())) == []\n"
        "lines = list(description_lines(adapter, adapter.updates()))\n"
        "lines += map(list_line, list_adapters(home()))\n"
        "assert lines and not {'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("exam", "--data", "x"),
        ("try", "--image", "x"),
        ("merge", "--output", "m"),
        ("combine", "--weights", "1", "--output", "c"),
        ("strength", "--data", "x"),
        ("export", "--to", "peft", "--output", "e"),
        ("delete", "--yes"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_adapter_is_bad_input(arguments: tuple[str, ...]) -> None:
    name, *options = arguments
    code, output, error = command(name, "nothing-of-this-name", *options)
    assert (code, output) == (2, "")
    assert "nothing-of-this-name is no adapter" in error
