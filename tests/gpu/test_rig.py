"""The rig of the GPU tests works on a CPU with small models."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.training.callbacks.memory_time import MemoryMeter
from tests.gpu.families import TINY, checkpoint
from tests.gpu.rig import STEPS, Case, measure

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("datasets", "pyarrow", "textual")
        return None if hidden else super().find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
import tests.gpu.rig
print(sorted({"datasets", "pyarrow", "textual"} & sys.modules.keys()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        Case("llama", 4, True, 2, 32),
        Case("qwen3_vl", 0, True, 2, 96, side=256),
        Case("qwen3_moe", 0, False, 1, 32),
    ],
    ids=str,
)
def test_a_case_trains_and_is_estimated(case: Case, tmp_path: Path, home: Path):
    folder = checkpoint(tmp_path / "model", case.family, TINY[case.family])
    outcome = measure(case, folder, home, MemoryMeter())

    assert outcome.measured.steps == len(outcome.losses) == STEPS
    assert all(math.isfinite(loss) for loss in outcome.losses)
    assert outcome.measured.seconds_per_step is not None
    assert outcome.estimate.estimate.tokens_per_sample == case.length
    assert (outcome.estimate.estimate.image_tokens > 0) == (case.side > 0)
    assert outcome.estimate.predicted.allocated > 0


def test_a_box_without_datasets_and_without_the_interface_can_measure():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
