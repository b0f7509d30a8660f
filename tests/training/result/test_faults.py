"""Whichever write, fsync, rename, open or allocation fails: a checkpoint or an adapter is whole or
absent, and another attempt leads to the same bytes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.training.result.checkpoint_checksums import has_checksums, write_checksums
from deepsynth_tui.training.result.checkpoint_damage import why_damaged
from deepsynth_tui.training.result.checkpoints import newest_complete, rotate_checkpoints
from deepsynth_tui.training.result.save import save_trained
from tests.dataset.writing.small_datasets import files
from tests.runs.fault_injector import REMOVALS, faults, file_size_limit
from tests.training.result.checkpoint_files import write_whole_checkpoint

MODES = [
    pytest.param({}, id="once"),
    pytest.param({"lasting": True, "short": True}, id="short and lasting"),
    pytest.param({"no_memory": True}, id="no memory"),
]


@contextlib.contextmanager
def failing(injector: contextlib.AbstractContextManager[Any]) -> Iterator[None]:
    """Enter the injector; the operation may fail as it lets it fail."""
    with contextlib.suppress(OSError, MemoryError), injector:
        yield


@pytest.mark.parametrize("mode", MODES)
def test_completing_a_checkpoint(tmp_path: Path, mode: dict[str, Any]) -> None:
    write_whole_checkpoint(tmp_path, 1)
    newer = write_whole_checkpoint(tmp_path, 2)
    whole = files(tmp_path)
    for injector in faults(tmp_path, **mode):
        (newer / "SHA256SUMS").unlink()
        with failing(injector):
            write_checksums(newer)
        newest = newest_complete(tmp_path, why_damaged=why_damaged)
        assert newest.step == (2 if has_checksums(newer) else 1)
        write_checksums(newer)
        assert files(tmp_path) == whole


def test_deleting_a_checkpoint(tmp_path: Path) -> None:
    for number, injector in enumerate(faults(tmp_path, calls=REMOVALS)):
        folder = tmp_path / str(number)
        for step in (1, 2, 3):
            write_whole_checkpoint(folder, step)
        with failing(injector):
            rotate_checkpoints(folder / "checkpoint-3", keep=1, best=None)
        (folder / "checkpoint-3" / "optimizer.pt").unlink()
        newest = newest_complete(folder)
        assert newest.path is None or why_damaged(newest.path) is None
        write_whole_checkpoint(folder, 4)
        rotate_checkpoints(folder / "checkpoint-4", keep=1, best=None)
        assert [path.name for path in folder.iterdir()] == ["checkpoint-4"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exists", [False, True])
def test_copying_a_folder(tmp_path: Path, exists: bool, mode: dict[str, Any]) -> None:
    source = write_whole_checkpoint(tmp_path / "source", 1)
    old = write_whole_checkpoint(tmp_path / "old", 2)
    root = tmp_path / "root"
    for number, injector in enumerate(faults(root, **mode)):
        target = root / str(number) / "checkpoint-1"
        if exists:
            shutil.copytree(old, target)

        def copy(target: Path = target) -> None:
            with atomic_folder(target) as draft:
                shutil.copytree(source, draft, dirs_exist_ok=True)

        with failing(injector):
            copy()
        if target.exists():
            assert files(target) in ([files(old)] if exists else []) + [files(source)]
        else:  # if no rename works, the old folder cannot be put back
            assert not exists or mode.get("lasting")
        copy()
        assert files(target) == files(source)
        assert list(target.parent.iterdir()) == [target]


@pytest.fixture
def adapter(language_model: Path) -> tuple[PeftModel, Any]:
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(language_model)
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    assert isinstance(model, PeftModel)
    return model, AutoTokenizer.from_pretrained(language_model)


@pytest.mark.parametrize("mode", MODES)
def test_saving_an_adapter(
    tmp_path: Path, adapter: tuple[PeftModel, Any], mode: dict[str, Any]
) -> None:
    target = tmp_path / "adapter"
    save(adapter, target)
    whole = files(target)
    for injector in faults(tmp_path, **mode):
        shutil.rmtree(target)
        with failing(injector):
            save(adapter, target)
        assert not target.exists() or files(target) == whole
        save(adapter, target)
        assert files(target) == whole


def test_saving_an_adapter_whose_files_cannot_grow(
    tmp_path: Path, adapter: tuple[PeftModel, Any]
) -> None:
    target = tmp_path / "adapter"
    save(adapter, target)
    whole = files(target)
    for size in sorted({len(content) for content in whole.values()} - {0}):
        with pytest.raises(Exception), file_size_limit(size - 1):  # noqa: B017, PT011 - Rust's own
            save(adapter, target)
        assert files(target) == whole


def save(adapter: tuple[PeftModel, Any], target: Path) -> None:
    with atomic_folder(target) as draft:
        save_trained(*adapter, draft)
