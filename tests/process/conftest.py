"""A generated dataset for tests that train on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The folder of a dataset of four built-in documents."""
    config = tmp_path / "pages.yaml"
    folder = tmp_path / "pages"
    config.write_text(
        "kind: dataset\n"
        "name: pages\n"
        "source: {path: builtin:sample, target_column: summary, max_samples: 4}\n"
        "page: {width: 320, height: 320, font_size: 14, margin: 12}\n"
        f"output: {{dir: {folder}}}\n"
    )
    command = [sys.executable, "-m", "deepsynth_tui", "generate", str(config)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return folder
