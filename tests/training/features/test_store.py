"""Entries of the page features are whole or absent, whoever writes and whatever dies meanwhile."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from deepsynth_tui.runs import atomic
from deepsynth_tui.training.features import store as store_module
from deepsynth_tui.training.features.entry import DamagedEntry, PageFeatures, read, to_bytes
from deepsynth_tui.training.features.store import FeatureStore

FEATURES = PageFeatures(
    pooled=torch.arange(12, dtype=torch.bfloat16).reshape(3, 4),
    deepstack=torch.ones(2, 3, 4),
    inputs={"image_grid_thw": torch.tensor([[1, 2, 6]])},
    text="<image>\n<image>",
)
KEY = "ab12"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    store = FeatureStore(tmp_path / "model")
    yield store
    store.close()


def test_an_entry_is_read_as_it_was_written(store: FeatureStore) -> None:
    assert store.missing([KEY]) == [KEY]
    assert store.read(KEY) is None
    assert store.write(KEY, FEATURES)
    entry = store.read(KEY)
    assert entry is not None
    assert store.missing([KEY]) == []
    assert entry.text == FEATURES.text
    assert store.entry_bytes(KEY) == len(to_bytes(FEATURES))
    assert torch.equal(entry.pooled, FEATURES.pooled)
    assert entry.pooled.dtype == torch.bfloat16
    assert entry.deepstack is not None
    assert torch.equal(entry.deepstack, torch.ones(2, 3, 4))
    assert torch.equal(entry.inputs["image_grid_thw"], FEATURES.inputs["image_grid_thw"])


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    content = to_bytes(FEATURES)
    path = tmp_path / "entry"
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(DamagedEntry):
            read(path)
    start = 8 + int.from_bytes(content[:8], "little")  # of the tensors
    for position in range(start, len(content)):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        )
        with pytest.raises(DamagedEntry):
            read(path)


def test_a_damaged_entry_is_missing_afterwards(store: FeatureStore) -> None:
    store.write(KEY, FEATURES)
    (path,) = store.folder.glob("*/*.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedEntry):
        store.read(KEY)
    assert store.missing([KEY]) == [KEY]


def test_a_killed_writer_leaves_no_entry(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its temporary file is deleted once it is too old for a writer that lives."""
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Path, "replace", lambda *_: os._exit(0))
        store.write(KEY, FEATURES)
    os.waitpid(child, 0)
    assert store.missing([KEY]) == [KEY]
    (temporary,) = store.folder.glob("*/.*")
    FeatureStore(store.folder).close()
    assert temporary.exists()
    os.utime(temporary, (0, 0))
    FeatureStore(store.folder).close()
    assert not temporary.exists()


def test_two_writers_of_one_entry(store: FeatureStore) -> None:
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            for number in range(30):
                store.write(f"{number:04}", FEATURES)
            os._exit(0)
        children.append(child)
    for number in range(30):
        while (entry := store.read(f"{number:04}")) is None:
            pass
        assert torch.equal(entry.pooled, FEATURES.pooled)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_a_full_disk_is_reported(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "replace", fail)
    assert not store.write(KEY, FEATURES)
    assert store.is_full


def test_room_is_made_of_what_was_used_longest_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(to_bytes(FEATURES))
    capacity = 6 * size
    monkeypatch.setattr(
        store_module.shutil,
        "disk_usage",
        lambda _: type("Usage", (), {"free": 2 * capacity - _used(tmp_path)}),
    )
    used = FeatureStore(tmp_path / "used")
    used.write(KEY, FEATURES)
    for name, age in (("older", 200), ("newer", 100)):
        other = FeatureStore(tmp_path / name)
        other.write(KEY, FEATURES)
        other.close()
        used_at = time.time() - age
        os.utime(tmp_path / name / "lock", (used_at, used_at))
    own = FeatureStore(tmp_path / "own")
    for key in ("a1", "a2"):
        own.write(key, FEATURES)

    assert own.make_room(size, ["a1"]) == size
    assert (tmp_path / "older" / "ab").is_dir()
    assert own.make_room(2 * size, ["a1"]) == 2 * size
    assert not (tmp_path / "older").exists()
    assert own.make_room(6 * size, ["a1"]) == 4 * size
    assert not (tmp_path / "newer").exists()
    assert own.missing(["a1", "a2"]) == ["a2"]
    assert used.missing([KEY]) == [], "another job uses them"


def test_features_that_nothing_has_used_for_a_month_are_deleted(
    tmp_path: Path, store: FeatureStore
) -> None:
    other = FeatureStore(tmp_path / "other")
    other.close()
    store.make_room(0, [])
    assert other.folder.exists()
    used_at = time.time() - store_module.UNUSED_SECONDS - 1
    os.utime(other.folder / "lock", (used_at, used_at))
    store.make_room(0, [])
    assert not other.folder.exists()


def _used(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.safetensors"))
