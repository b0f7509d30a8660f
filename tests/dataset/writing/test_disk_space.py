"""Full disks and read-only folders: the job fails cleanly and can be resumed."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from deepsynth_tui.units import MIB
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write

# Makes file permissions apply to root too.
WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={2 * MIB}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def settings(tmp_path: Path) -> DatasetConfig:
    """About 4 MiB of pages, of which two shards fit half of the small disk."""
    source = write(tmp_path / "a.jsonl", numbered(60, "Document {}. " + "word " * 60))
    page = {"width": 900, "height": 900, "font_size": 60, "margin": 8}
    return config(source, page=page, output={"shard_size": 5})


def attempt(
    settings: DatasetConfig, folder: Path, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Generate a dataset in another process, which prints its failure."""
    argv = [*before, sys.executable, "-m", "tests.dataset.writing.attempt"]
    argv += [settings.model_dump_json(), str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("num_proc", [1, 2])
def test_full_disk(tmp_path: Path, small_disk: Path, settings: DatasetConfig, num_proc: int):
    settings = settings.model_copy(update={"num_proc": num_proc})
    folder = small_disk / "out"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MIB))
    process = attempt(settings, folder)
    assert process.returncode == 1
    assert process.stdout.splitlines()[:2] == ["NotEnoughSpace", "the disk is full"]
    assert str(folder) in process.stdout
    shards = small_disk / "out.partial" / SHARDS
    assert list(shards.glob("*.json"))
    assert not list(shards.glob(".*"))

    ballast.unlink()
    subprocess.run(["mount", "-o", f"remount,size={128 * MIB}", str(small_disk)], check=True)
    recorder = Recorder()
    assert generate(settings, folder, recorder) == "completed"
    assert recorder.done[0][0] >= 5
    generate(settings, tmp_path / "whole", Recorder())
    assert files(folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("num_proc", [1, 2])
def test_file_size_limit(tmp_path: Path, settings: DatasetConfig, num_proc: int):
    settings = settings.model_copy(update={"num_proc": num_proc})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
    try:
        process = attempt(settings, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert process.returncode == 1
    assert "a file exceeds the file size limit of this system" in process.stdout
    assert not list((tmp_path / "out.partial" / SHARDS).iterdir())
    assert generate(settings, tmp_path / "out", Recorder()) == "completed"


@pytest.mark.parametrize("place", ["", "out.partial", f"out.partial/{SHARDS}"])
def test_read_only_folder(tmp_path: Path, settings: DatasetConfig, place: str):
    before = WITHOUT_PRIVILEGES if os.geteuid() == 0 else ()
    if before and shutil.which(before[0]) is None:
        pytest.skip(f"{before[0]} is not installed: root's privileges cannot be dropped")
    inside = tmp_path / "inside"
    inside.mkdir()
    recorder = Recorder(stop="stop", stop_after=25)
    generate(settings, inside / "out", recorder)
    if not place:
        (inside / "out.partial").rename(inside / "elsewhere.partial")
    (inside / place).chmod(0o555)
    process = attempt(settings, inside / "out", before)
    (inside / place).chmod(0o755)
    assert process.returncode == 1, process.stdout + process.stderr
    assert process.stdout.startswith("PermissionError\n")
    assert "Permission denied" in process.stdout
    assert str(inside) in process.stdout
    assert generate(settings, inside / "out", Recorder()) == "completed"
