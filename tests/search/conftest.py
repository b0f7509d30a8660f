"""A queue whose runs are dummies, and searches on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepsynth_tui.config.load_search import load_search
from deepsynth_tui.queue.admission import Need
from deepsynth_tui.queue.supervisor import start_ready
from deepsynth_tui.runs import file_lock, launch
from deepsynth_tui.runs.supervisor_status import supervisor_lock
from deepsynth_tui.search.folder import SearchFolder, create_folder
from deepsynth_tui.search.prepare import prepare

STEPS = 32
BASE = f"""\
kind: training
model: {{name_or_path: builtin:tiny-vlm}}
data: {{path: nowhere, eval_fraction: 0.1}}
training: {{max_steps: {STEPS}, learning_rate: 5.0e-3}}
"""


@pytest.fixture
def supervised(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start the runs of the queue in this process, as `tests.search.dummy_job`."""
    monkeypatch.setitem(launch.JOBS, "training", "tests.search.dummy_job")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    held = file_lock.try_lock(supervisor_lock(home))
    assert held is not None
    ended = threading.Event()

    def supervise() -> None:
        while not ended.wait(0.05):
            start_ready(home)

    thread = threading.Thread(target=supervise)
    thread.start()
    yield
    ended.set()
    thread.join()
    held.close()


Write = Callable[..., Path]


@pytest.fixture
def write_search(tmp_path: Path) -> Write:
    """Write the YAML of a search, and of its base."""

    def write(**settings: Any) -> Path:
        (tmp_path / "base.yaml").write_text(BASE)
        file = tmp_path / "search.yaml"
        content = {"kind": "search", "base": "base.yaml", "output": {"dir": str(tmp_path / "s")}}
        file.write_text(yaml.safe_dump({**content, **settings}))
        return file

    return write


def small(config: object) -> Need:
    """What every trial needs."""
    return Need("cpu", needed=1)


def create(home: Path, file: Path) -> SearchFolder:
    """Create the folder of a search whose base cannot be trained really."""
    config = load_search(file)
    prepared = prepare(config, file, base_text=BASE)
    return create_folder(home, config, prepared.base_text)
