"""What every test shares: no test sees or touches the user's own folders or the network."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from deepsynth_tui.machine.torch_build import installed_torch

# Models this small gain nothing from more threads; tests run beside one another do.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The theme follows the colours of the terminal; that of the tests has all, whatever CI says.
os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
os.environ.pop("NO_COLOR", None)
if constants := sys.modules.get("textual.constants"):  # a plugin of pytest imports it first
    vars(constants)["COLOR_SYSTEM"] = "truecolor"

# On a machine with GPUs, a PyTorch built for the CPU is refused unless they are hidden.
if (torch := installed_torch()) and torch.is_for_cpu:
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

# A loaded CI machine makes any example slow now and then; slowness is not what these tests judge.
settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("shared")


# Under `nohup` every process that a test starts would inherit that a hang-up is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes and long texts by their argument.

    Archives hold the time at which they were written: as part of an id it would differ between
    the workers of pytest-xdist, which refuse to run then.
    """
    if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 80):
        return argname
    return None


# Of the session: what outlives a test, such as a Ray cluster, has the same fonts.
@pytest.fixture(autouse=True, scope="session")
def _no_installed_fonts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No font but the embedded one, whatever this machine has: pages are the same everywhere."""
    empty = str(tmp_path_factory.mktemp("no-fonts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_DIRS", empty)
        patch.setenv("XDG_DATA_HOME", empty)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test; the Hub is offline."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DEEPSYNTH_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return folder
