"""What every test shares: no test sees or touches the user's own folders or the network."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A loaded CI machine makes any example slow now and then; slowness is not what these tests judge.
settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("shared")


# Under `nohup` every process that a test starts would inherit that a hang-up is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test; the Hub is offline."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DEEPSYNTH_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return folder
