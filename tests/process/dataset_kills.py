"""Kill a dataset run at random moments until it is done, and compare the result.

`python -m tests.process.dataset_kills [KILLS]` kills runs 50 times, or KILLS times, and resumes
them. Each result must have the same bytes as that of an undisturbed run. A new run starts when one
is done.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

from deepsynth_tui.runs.directory import RunDirectory, create_run

DOCUMENTS = 1500
CONFIG = {
    "kind": "dataset",
    "name": "killed",
    "page": {"preset": "tiny", "font_size": 14},
    "output": {"shard_size": 40, "eval_fraction": 0.1},
}


def source(path: Path) -> Path:
    """Write documents of all lengths."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(DOCUMENTS):
            text = f"{number}. " + "The tide had left a line of foam. " * chance.randint(1, 60)
            file.write(json.dumps({"id": f"d{number}", "text": text}) + "\n")
    return path


def new_run(folder: Path, name: str, num_proc: int) -> RunDirectory:
    """Make a run on the documents in `folder`."""
    settings = {**CONFIG, "source": {"path": str(folder / "a.jsonl")}, "num_proc": num_proc}
    text = yaml.safe_dump(settings)
    return create_run(folder / "home", kind="dataset", name=name, config_text=text)


def job(run: RunDirectory) -> subprocess.Popen[bytes]:
    """Start the job of a run, in a session of its own."""
    argv = [sys.executable, "-m", "deepsynth_tui.dataset.job", str(run.path)]
    with run.console.open("ab") as console:
        return subprocess.Popen(argv, stdout=console, stderr=console, start_new_session=True)


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder`."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def last_phase(run: RunDirectory) -> str:
    """Return the phase of the run at its last event."""
    if not run.events.exists():
        return "before its first event"
    complete_lines = run.events.read_bytes().rpartition(b"\n")[0]
    events = [json.loads(line) for line in complete_lines.splitlines()]
    return next((e["name"] for e in reversed(events) if e["kind"] == "phase"), "starting")


def main() -> None:
    """Kill, and compare."""
    kills = int(sys.argv[1]) if sys.argv[1:] else 50
    chance = random.Random(int(time.time()))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source(folder / "a.jsonl")
        undisturbed = new_run(folder, "undisturbed", 2)
        start = time.monotonic()
        assert job(undisturbed).wait() == 0, undisturbed.console.read_text()
        duration = time.monotonic() - start
        wanted = files(undisturbed.dataset)
        phases: Counter[str] = Counter()
        runs = 0
        while phases.total() < kills:
            runs += 1
            run = new_run(folder, f"killed-{runs}", 1 + runs % 3)
            while not run.dataset.exists() and phases.total() < kills:
                process = job(run)
                time.sleep(chance.random() * duration * 0.6)
                if process.poll() is None:
                    # Half of the time only the job: its workers must then exit by themselves.
                    if chance.random() < 0.5:
                        os.kill(process.pid, signal.SIGKILL)
                    else:
                        os.killpg(process.pid, signal.SIGKILL)
                    phases[last_phase(run)] += 1
                process.wait()
            assert job(run).wait() == 0, run.console.read_text()
            assert files(run.dataset) == wanted
        sys.stdout.write(
            f"{phases.total()} kills of {runs} runs, in the phases {dict(phases)}: "
            f"{len(wanted)} files, the same bytes each time\n"
        )


if __name__ == "__main__":
    main()
