"""Every bad input ends the run with an error event: what happened and what to do."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.failures import TrainingError, explain
from deepsynth_tui.training.failures.processes import is_lost_connection
from tests.training.conftest import Ran, Run
from tests.training.small_datasets import row, write


def _assert_failed(ran: Ran, *texts: str) -> None:
    assert ran.exit_code == 1
    assert ran.verdict == "failed"
    assert not ran.run.adapter.exists()
    for text in texts:
        assert text in ran.failure


def test_unknown_model_without_network(run: Run) -> None:
    ran = run(model__name_or_path="nobody/no-such-model")
    _assert_failed(ran, "no-such-model", "builtin:tiny-vlm")


def test_folder_without_config(run: Run, tmp_path: Path) -> None:
    _assert_failed(run(model__name_or_path=str(tmp_path)), "config.json")


def test_missing_dataset(run: Run) -> None:
    _assert_failed(
        run(data__path="/no/such/dataset"), "data.path: /no/such/dataset is not a folder"
    )


def test_damaged_shard(run: Run, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [row(0)])
    shard = next(folder.glob("data/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:500])
    _assert_failed(run(data__path=str(folder)), "cannot be read")


def test_missing_columns(run: Run, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [row(0)])
    _assert_failed(run(data__path=str(folder), data__image_column="pages"), "'pages'", "images")
    import datasets

    bare = datasets.Dataset.from_dict({"images": [[]], "words": ["x"]})
    (tmp_path / "bare").mkdir()
    bare.to_parquet(tmp_path / "bare" / "train-00000-of-00001.parquet")
    _assert_failed(run(data__path=str(tmp_path / "bare")), "data.target_column", "images, words")


def test_unknown_split(run: Run) -> None:
    _assert_failed(run(data__split="tests"), "data.split", "train")


def test_rows_that_are_too_long(run: Run) -> None:
    _assert_failed(
        run(data__max_length=20), "longer than data.max_length (20", "row 1 (document doc-1): 55"
    )


def test_targets_that_match_nothing(run: Run) -> None:
    ran = run(lora__target_modules=["q_prj"])
    _assert_failed(ran, "lora.target_modules", "q_prj", "q_proj")


def test_a_pattern_that_matches_nothing(run: Run) -> None:
    _assert_failed(run(lora__rank_pattern={"gate": 2}), "lora.rank_pattern", "gate_proj")


def test_layers_and_exclusions_that_do_not_exist(run: Run) -> None:
    _assert_failed(run(lora__layers_to_transform=[99]), "lora.layers_to_transform", "99", "0 to 1")
    _assert_failed(run(lora__exclude_modules=["o_prj"]), "lora.exclude_modules", "o_proj")


def test_modules_to_save_that_do_not_exist(run: Run) -> None:
    _assert_failed(run(lora__modules_to_save=["lm_hed"]), "lora.modules_to_save", "lm_head")


@pytest.mark.slow
def test_a_nan_loss_names_the_rows(run: Run, vision_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in vision_model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][:] = torch.inf
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    ran = run(model__name_or_path=str(folder))
    _assert_failed(ran, "The loss became nan at step 1, on row ", "learning_rate")
    assert not list(ran.run.checkpoints.glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "per_device_train_batch_size"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk space"),
        (PermissionError(errno.EACCES, "Permission denied"), "may write"),
        (ImportError("requires `torchvision` to be installed"), "pip install torchvision"),
        (ValueError("Your setup doesn't support bf16/gpu."), "training.fp16: true"),
        (TrainingError("x", "do this"), "do this"),
        (RuntimeError("something else"), "console.log"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_advice(error: Exception, advice: str) -> None:
    assert advice in explain(error).advice


def test_the_known_cause_is_explained() -> None:
    def fail() -> Any:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("could not save") from error

    with pytest.raises(RuntimeError) as raised:
        fail()
    failure = explain(raised.value)
    assert failure.class_name == "OSError"
    assert "disk space" in failure.advice


def test_a_lost_connection_is_recognized() -> None:
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]")
    assert is_lost_connection(lost)
    assert "which one failed first" in explain(lost).advice
    assert not is_lost_connection(TrainingError("The loss became nan", "lower it"))
    assert not is_lost_connection(RuntimeError("shape mismatch"))


def test_an_error_without_its_arguments_is_its_text() -> None:
    assert TrainingError("Caught something else").message == "Caught something else"
    assert str(RowError("Caught something else")) == "Caught something else"
