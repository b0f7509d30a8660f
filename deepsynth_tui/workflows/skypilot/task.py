"""The text of a task: YAML for `sky launch` and `sky jobs launch`.

Its keys are those of `sky/utils/schemas.py:get_task_schema`, SkyPilot 0.14.1. The run works on the
disk of its machine, and its folder is copied to the bucket meanwhile: a bucket has neither the
locks nor the atomic renames that a run folder needs.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.workflows.skypilot.gpu_candidates import Candidate
from deepsynth_tui.workflows.skypilot.installed_program import InstalledProgram

FOLDER = "~/deepsynth"
"""Folder of the task on its machine."""
WORKDIR = "~/sky_workdir"
"""Where SkyPilot puts `workdir`."""
SYNC_SECONDS = 60
"""Time between two copies of the run folder; `sky launch --env SYNC_SECONDS=N` changes it."""
END_OF_CONFIG = "END_OF_CONFIG"
_RUN = r"""# SkyPilot gives a managed job the same id when it recovers it.
run="runs/$SKYPILOT_TASK_ID" kept="bucket/$SKYPILOT_TASK_ID"
mkdir -p runs "$kept"
if [ ! -f "$run/run.json" ] && [ -f "$kept/run.json" ]; then
  # The process that status.json and lock tell of was on another machine.
  rsync -rt --exclude=/status.json --exclude=/lock --exclude=/control "$kept/" "$run/"
  sed -i "s|\"cwd\": \"[^\"]*\"|\"cwd\": \"$PWD\"|" "$run/run.json"  # another home, perhaps
fi
resume=()
if [ -f "$run/run.json" ]; then resume=(--resume); fi
keep() { rsync -rt --delete --exclude=/lock "$run/" "$kept/"; }
while sleep "$SYNC_SECONDS"; do [ ! -f "$run/run.json" ] || keep || true; done &
copying=$!
trap 'deepsynth-tui stop "$run" --now' TERM INT
deepsynth-tui train config.yaml --set output.dir="$run" "${resume[@]}" &
training=$! code=0
wait "$training" || code=$?
# A signal ends the first wait.
if kill -0 "$training" 2>/dev/null; then code=0; wait "$training" || code=$?; fi
kill "$copying"
keep
exit "$code"
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What the text is made of. `config` is YAML with paths relative to `FOLDER`."""

    name: str
    source: Path
    config: str
    gpus: tuple[Candidate, ...]
    memory_gib: int
    disk_gib: int
    secrets: Mapping[str, str | None]
    files: Mapping[Path, str]
    bucket: str
    program: InstalledProgram
    packages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def task_name(name: str) -> str:
    """Return `name` as SkyPilot takes it, and as a part of the name of a bucket."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "run"


def task_text(task: Task) -> str:
    """Return the file."""
    return "\n".join((*_head(task), *_resources(task), *_files(task), *_scripts(task), ""))


def _head(task: Task) -> Iterator[str]:
    yield f"# Made by deepsynth-tui from {task.source.name}, for SkyPilot:"
    yield f"# `sky launch -c {task.name} FILE`: on a machine that stays until `sky down`."
    yield "# `sky jobs launch FILE --use-spot`: a managed job; a preempted run continues."
    yield "# The run is a folder of the bucket; `deepsynth-tui attach FOLDER` shows a copy of it."
    yield from (f"# {note}" for note in task.notes)
    yield f"name: {task.name}"
    yield "num_nodes: 1"


def _resources(task: Task) -> Iterator[str]:
    yield "resources:"
    yield f"  memory: {task.memory_gib}+  # GiB that loading and saving need"
    yield f"  disk_size: {task.disk_gib}  # GiB"
    yield "  any_of:"
    for gpu in task.gpus:
        yield f"    - accelerators: {gpu.accelerator}  # {gpu.figures}"
    yield f"envs: {_flow({'SYNC_SECONDS': str(SYNC_SECONDS)})}"
    if task.secrets:
        yield "# `--secret NAME` takes one from the environment; an empty one may be left out."
        yield f"secrets: {_flow(dict(task.secrets))}"


def _files(task: Task) -> Iterator[str]:
    if task.program.folder:
        yield f"workdir: {_flow(str(task.program.folder))}"
    place = "source" if "://" in task.bucket else "name"
    yield "file_mounts:"
    yield f"  {FOLDER}/bucket: {_flow({place: task.bucket, 'mode': 'MOUNT_CACHED'})}"
    for path, remote in task.files.items():
        yield f"  {FOLDER}/{remote.removeprefix('./')}: {_flow(str(path))}"


def _scripts(task: Task) -> Iterator[str]:
    program = WORKDIR if task.program.folder else shlex.quote(task.program.requirement)
    packages = " ".join((program, *map(shlex.quote, task.packages)))
    yield from _block(
        "setup",
        [
            "set -e",
            f"mkdir -p {FOLDER} && cd {FOLDER}",
            "~/.local/bin/uv venv --quiet --allow-existing --python 3.12 env",
            f"~/.local/bin/uv pip install --python env/bin/python {packages}",
        ],
    )
    yield from _block(
        "run",
        [
            "set -e",
            f"cd {FOLDER}",
            'export PATH="$PWD/env/bin:$PATH"',
            f"cat > config.yaml <<'{END_OF_CONFIG}'",
            *task.config.splitlines(),
            END_OF_CONFIG,
            *_RUN.splitlines(),
        ],
    )


def _block(key: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"{key}: |"
    yield from (f"  {line}" if line else "" for line in lines)


def _flow(value: object) -> str:
    """Return a value on one line: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
