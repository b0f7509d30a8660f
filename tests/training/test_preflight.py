"""The preflight check reports all problems at once, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deepsynth_tui.builtin import TINY_BERT, TINY_QWEN3, TINY_VLM, locate
from deepsynth_tui.config import yaml_text
from deepsynth_tui.models.layout import save_layout
from deepsynth_tui.models.layout_server import build_layout
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.training.model_availability import BUILT_ON_FIRST_USE, ModelFacts, find_model
from deepsynth_tui.training.preflight import MIN_DISK_BYTES, check, inspect
from tests.training import small_roberta
from tests.training.conftest import configuration
from tests.training.small_datasets import row, write
from tests.training.text_encoder.conftest import ENCODERS, encoder_settings


def test_no_problems(values: dict[str, Any]) -> None:
    report = inspect(configuration(values))
    assert report.problems == ()
    assert report.dataset.rows == 10
    assert "target" in (report.dataset.columns or ())


def test_the_command_reports_all_problems_without_torch(
    values: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    config = configuration(
        values,
        model__name_or_path="nobody/no-such-model",
        data__path="/no/such/dataset",
        training__report_to="wandb",
        training__use_liger_kernel=True,
        output__dir=str(tmp_path / "full"),
        output__push_to_hub=True,
        output__hub_model_id="me/mine",
    )
    path = tmp_path / "config.yaml"
    path.write_text(yaml_text.dump(config.model_dump()))
    script = (
        "import sys; from deepsynth_tui.training.preflight import main; main(); "
        "print(sorted({'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    answer, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    assert [problem["key"] for problem in json.loads(answer)["problems"]] == [
        "model.name_or_path",
        "data.path",
        "training.report_to",
        "training.use_liger_kernel",
        "output.push_to_hub",
        "output.dir",
    ]
    offline = json.loads(answer)["problems"][0]
    assert "cannot be reached" in offline["message"]
    assert "builtin:tiny-vlm" in offline["hint"]


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ({"data__target_column": "target"}, None, ""),  # the former default
        ({"data__target_column": "summary"}, "data.target_column", "no column 'summary'"),
        ({"data__image_column": "pages"}, "data.image_column", "no column 'pages'"),
        ({"data__eval_fraction": 0.01}, "data.eval_fraction", "of 10 rows is less than one"),
        ({"model__name_or_path": "/nowhere"}, "model.name_or_path", "there is no folder"),
        ({"model__name_or_path": "builtin:big"}, "model.name_or_path", "there is no builtin model"),
        ({"model__attn_implementation": "flash_attention_2"}, "model.attn_implementation", "flash"),
    ],
)
def test_one_problem(values: dict[str, Any], change: dict, key: str | None, message: str) -> None:
    problems = check(configuration(values, **change))
    assert [problem.key for problem in problems] == ([key] if key else [])
    assert all(message in problem.message for problem in problems)


def test_datasets(values: dict[str, Any], tmp_path: Path, home: Path) -> None:
    folder = write(tmp_path / "data", [row(0)])
    shard = next(folder.glob("data/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:300])
    torn = check(configuration(values, data__path=str(folder)))
    assert [problem.key for problem in torn] == ["data.path"]
    assert str(shard) in torn[0].message

    run = create_run(home, kind="dataset", name="pages", config_text="kind: dataset\n")
    unfinished = check(configuration(values, data__path=run.id))
    assert "no dataset yet" in unfinished[0].message
    write(run.dataset, [row(0)])
    assert check(configuration(values, data__path=run.id)) == []


def test_adapter_folder_as_model(values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").touch()
    (problem,) = check(configuration(values, model__name_or_path=str(tmp_path)))
    assert "is an adapter, not a model" in problem.message


def test_a_text_encoder_of_another_family(values: dict[str, Any], tmp_path: Path) -> None:
    folder = small_roberta.write(tmp_path / "roberta")
    section = encoder_settings("bert", name_or_path=str(folder))
    assert check(configuration(values, text_encoder=section)) == []
    (wrong,) = check(configuration(values, text_encoder=section | {"type": "qwen3"}))
    assert (wrong.key, wrong.hint) == ("text_encoder.type", "bert")
    assert "is of type roberta, not qwen3" in wrong.message
    (gone,) = check(configuration(values, text_encoder=section | {"name_or_path": "/nowhere"}))
    assert gone.key == "text_encoder.name_or_path"


def test_facts_of_the_builtin_models(values: dict[str, Any]) -> None:
    facts = find_model(configuration(values, model__name_or_path=TINY_VLM).model, [])
    weights = Path(locate(TINY_VLM)) / "model.safetensors"
    size, architecture = weights.stat().st_size, "Qwen3VLForConditionalGeneration"
    assert facts == ModelFacts(True, "qwen3_vl", size, architecture)
    for name, encoder in BUILT_ON_FIRST_USE.items():
        config = json.loads((Path(locate(name)) / "config.json").read_text(encoding="utf-8"))
        assert encoder.model_type == config["model_type"]


@pytest.mark.parametrize(
    ("family", "name", "key", "message", "hint"),
    [
        ("bert", TINY_QWEN3, "type", "is of type qwen3, not bert", "qwen3"),
        ("qwen3", TINY_VLM, "name_or_path", "there is no builtin text encoder", TINY_QWEN3),
        ("bert", "nobody/no-such-encoder", "name_or_path", "cannot be reached", TINY_BERT),
    ],
)
def test_builtin_text_encoders(
    values: dict[str, Any], family: str, name: str, key: str, message: str, hint: str
) -> None:
    for encoder in ENCODERS:
        assert check(configuration(values, text_encoder=encoder_settings(encoder))) == []
    section = encoder_settings(family, name_or_path=name)
    (wrong,) = check(configuration(values, text_encoder=section))
    assert wrong.key == f"text_encoder.{key}"
    assert message in wrong.message
    assert hint in (wrong.hint or "")


def test_a_disk_too_small_for_the_checkpoints(
    values: dict[str, Any], vision_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=MIN_DISK_BYTES))
    config = configuration(values)
    assert check(config) == []  # the layout of the model is not cached
    save_layout(build_layout(str(vision_model), None, "model", trust_remote_code=False))
    (problem,) = check(config)
    assert problem.key == "output.dir"
    assert "are needed" in problem.message


def test_targets_that_match_nothing(values: dict[str, Any], vision_model: Path) -> None:
    save_layout(build_layout(str(vision_model), None, "model", trust_remote_code=False))
    (problem,) = check(configuration(values, lora__target_modules=["q_prok", "query"]))
    assert problem.key == "lora.target_modules"
    assert "q_proj" in (problem.hint or "")
    frozen = configuration(values, lora__target_modules=["fc1"])  # only in the vision tower
    assert [problem.key for problem in check(frozen)] == ["lora.target_modules"]
    partly = configuration(
        values, lora__target_modules=["q_proj", "query"], lora__exclude_modules=["k_prj"]
    )
    keys = [problem.key for problem in check(partly)]
    assert keys == ["lora.target_modules", "lora.exclude_modules"]
    assert check(configuration(values, lora__target_modules=["q_prok"], lora__enabled=False)) == []


def test_wandb_without_a_login(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MODE", "API_KEY", "IDENTITY_TOKEN_FILE", "CONFIG_DIR"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    config = configuration(values, training__report_to="wandb")
    (problem,) = check(config)
    assert (problem.key, problem.message) == (
        "training.report_to",
        "there is no wandb login",
    )

    with monkeypatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        assert not check(config)
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_API_KEY", "made up")
        assert not check(config)
    (tmp_path / ".netrc").touch()  # wandb itself reports what it finds in it
    assert not check(config)


def test_remote_code_of_deepseek_ocr_leads_to_the_native_checkpoint(
    values: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    config = {"model_type": "deepseek_vl_v2", "architectures": ["DeepseekOCRForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").touch()
    [problem] = check(configuration(values, model__name_or_path=str(folder)))
    assert problem.key == "model.name_or_path"
    assert "deepseek-community/DeepSeek-OCR-2" in problem.hint
