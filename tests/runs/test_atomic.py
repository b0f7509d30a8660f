"""A file is replaced completely or left unchanged."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from deepsynth_tui.runs import atomic


def test_replaces_the_content(tmp_path: Path):
    for text in (b"old", b"new and longer"):
        atomic.replace(tmp_path / "f", text, durable=True)
    assert (tmp_path / "f").read_bytes() == b"new and longer"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_full_disk_leaves_the_old_file_only(tmp_path: Path):
    atomic.replace(tmp_path / "f", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            atomic.replace(tmp_path / "f", b"x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
