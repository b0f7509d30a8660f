"""A run on two machines that is joined by hand: both are this one, under two names, on the CPU."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from deepsynth_tui.config import yaml_text
from deepsynth_tui.runs.control import StopOutcome, stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.summary import list_summaries, summarize
from deepsynth_tui.workflows.start import continue_run, start_run
from tests.process.test_jobs import wait_until
from tests.training import small_datasets
from tests.training.conftest import Ran, Run, configuration

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    "lora__lora_dropout": 0.0,
    "training__max_steps": 12,
    "training__save_steps": 4,
}
TWO_MACHINES: dict[str, Any] = {
    **SETTINGS,
    "launch__target": "torchrun",
    "launch__nodes": 2,
    "launch__rendezvous": "127.0.0.1",
    "training__num_processes": 2,
}
LONG = {"lora__lora_dropout": 0.3, "training__max_steps": 60, "training__save_steps": 10}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 rows, which fill all batches with one and with two processes."""
    folder = tmp_path_factory.mktemp("dataset")
    return small_datasets.write(folder, [small_datasets.row(number) for number in range(16)])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs import this package, on one core each; the first machine is called n1."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SLURMD_NODENAME", "n1")


class Machine:
    """`deepsynth-tui node` on the machine n2."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deepsynth_tui", "node", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "SLURMD_NODENAME": "n2", **(environment or {})},
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str]:
        """Wait for its end; return the exit status and what it has printed."""
        output, _ = self.process.communicate(timeout=120)
        return self.process.returncode, output

    def kill(self) -> None:
        """Kill it and all that it has started, as a power cut would."""
        for pid in processes_of("n2"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def processes_of(node: str) -> list[int]:
    """Return the pids of the processes of this test on a machine."""
    marks = {f"{name}={value}".encode() for name, value in _marks(node).items()}
    pids: list[int] = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and marks <= {
                *(process / "environ").read_bytes().split(b"\0")
            }:
                pids.append(int(process.name))
    return pids


def _marks(node: str) -> dict[str, str]:
    return {"SLURMD_NODENAME": node, "DEEPSYNTH_HOME": os.environ["DEEPSYNTH_HOME"]}


@pytest.fixture
def machines(home: Path) -> Iterator[list[Machine]]:
    """The machines of a test, at whose end they are killed and its runs stopped."""
    started: list[Machine] = []
    yield started
    for machine in started:
        if machine.process.poll() is None:
            machine.kill()
    for summary in list_summaries(home):
        if summary.is_live:
            stop_and_wait(RunDirectory(summary.id, summary.path), grace=30)


def start(home: Path, values: dict[str, Any], **changes: Any) -> RunDirectory:
    config = configuration(values, **{**TWO_MACHINES, **changes})
    return start_run(home, config, yaml_text.dump(config.model_dump()))


def wait_for_machine(run: RunDirectory) -> list[str]:
    """Wait until the run does, and return the arguments of the command for the other machine."""
    wait_until(lambda: summarize(run).state in ("waiting", "failed", "crashed"), seconds=60)
    message = summarize(run).message
    assert message.startswith("for 1 of 2 nodes: on another machine, run `"), message
    command = re.search("`(.*)`", message)
    assert command is not None
    program, verb, *arguments = shlex.split(command[1])
    assert (program, verb) == ("deepsynth-tui", "node")
    return arguments


def wait_for_step(run: RunDirectory, step: int) -> None:
    wait_until(
        lambda: (summarize(run).last_step or 0) >= step or not summarize(run).is_live, seconds=180
    )
    assert summarize(run).is_live, run.console.read_text()


def wait_for_end(run: RunDirectory) -> Ran:
    wait_until(lambda: not summarize(run).is_live, seconds=240)
    return Ran(run, 0)


def refused(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Return what a machine prints that cannot join."""
    code, output = Machine(*arguments, environment=environment).finish()
    assert code == 1, output
    assert "Traceback" not in output
    return output


def other_version(folder: Path) -> dict[str, str]:
    """Return the environment of a machine that has another version of PEFT."""
    information = folder / "peft-0.0.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: peft\nVersion: 0.0.1\n")
    return {"PYTHONPATH": f"{folder}:{os.environ['PYTHONPATH']}"}


def test_a_late_machine_joins_and_wrong_ones_do_not(
    home: Path,
    values: dict[str, Any],
    run: Run,
    machines: list[Machine],
    tmp_path: Path,
) -> None:
    together = start(home, values)
    arguments = wait_for_machine(together)
    listed = CliRunner().invoke(app, ["runs"]).output
    assert "waiting" in listed
    assert "for 1 of 2 nodes" in listed

    environment = other_version(tmp_path / "packages")
    assert "peft is 0.0.1 on n2 and" in refused(*arguments, environment=environment)
    copy = tmp_path / "copy"
    shutil.copytree(together.path, copy)
    assert f"on n2 is not {together.path} of n1, but a copy" in refused(str(copy))
    with (copy / "config.yaml").open("a") as file:
        file.write("# edited\n")
    assert "configuration of the run on n2 is not that on n1" in refused(str(copy))
    elsewhere = create_run(home, kind="training", name="other", config_text="", now=1.0)
    assert "does not wait for other machines: it is crashed" in refused(str(elsewhere.path))

    machines.append(Machine(*arguments))
    wait_until(lambda: summarize(together).state != "waiting", seconds=60)
    assert "has all of its nodes: n1, n2" in refused(str(together.path))
    ran = wait_for_end(together)
    assert ran.verdict == "completed", together.console.read_text()
    code, output = machines[0].finish()
    assert (code, output.splitlines()[-1]) == (0, f"{together.id} is completed")

    alone = run(**SETTINGS, training__per_device_train_batch_size=4)
    assert ran.losses == pytest.approx(alone.losses, rel=1e-5)
    assert [event.seq for event in ran.events] == list(range(1, len(ran.events) + 1))
    assert "starting" in [event.data["name"] for event in ran.of("phase")]
    assert together.console.read_text().count("step 12/12  loss ") == 1
    assert not (together.path / "rendezvous.json").exists()
    assert not list(together.path.glob("joining-*"))


def losses(run: RunDirectory) -> dict[int, set[float]]:
    """Return every loss that was reported for a step: more than one for a repeated step."""
    reported: dict[int, set[float]] = {}
    for event in Ran(run, 0).of("metric"):
        if "loss" in event.data:
            reported.setdefault(event.data["step"], set()).add(event.data["loss"])
    return reported


def resumed_at(run: RunDirectory) -> list[int]:
    """Return the steps at which processes of the run went on."""
    return [event.data["step"] for event in Ran(run, 0).of("phase") if "step" in event.data]


def test_a_machine_is_lost_and_another_leaves(
    home: Path, values: dict[str, Any], machines: list[Machine]
) -> None:
    undisturbed = start(
        home, values, **LONG, launch__target="local", launch__nodes=1, name="undisturbed"
    )
    wait_for_end(undisturbed)
    run = start(home, values, **LONG)
    machines.append(Machine(*wait_for_machine(run)))
    wait_for_step(run, 12)
    machines[0].kill()
    arguments = wait_for_machine(run)
    warning = Ran(run, 0).of("warning")[-1].data["message"]
    assert warning.startswith("Node n2 is gone, or its process (pid ")

    machines.append(Machine(*arguments))
    wait_until(lambda: resumed_at(run), seconds=180)
    wait_for_step(run, resumed_at(run)[0] + 3)
    machines[1].process.send_signal(signal.SIGINT)
    code, output = machines[1].finish()
    assert (code, output.splitlines()[-1]) == (130, f"left {run.id}")
    arguments = wait_for_machine(run)
    assert Ran(run, 0).of("warning")[-1].data["message"].startswith("n2 has left. ")
    left_at = summarize(run).last_step

    machines.append(Machine(*arguments))
    assert wait_for_end(run).verdict == "completed", run.console.read_text()
    lost, left = resumed_at(run)
    assert (lost % 10, left) == (0, left_at)
    assert losses(run) == losses(undisturbed)
    assert machines[2].finish()[0] == 0


def test_a_stop_ends_all_machines(
    home: Path, values: dict[str, Any], machines: list[Machine]
) -> None:
    run = start(home, values, training__max_steps=100_000)
    machines.append(Machine(*wait_for_machine(run)))
    wait_for_step(run, 3)
    machines[0].process.send_signal(signal.SIGHUP)  # its terminal has hung up
    assert stop_and_wait(run, grace=60) is StopOutcome.EXITED
    code, output = machines[0].finish()
    assert (code, output.splitlines()[-1]) == (0, f"{run.id} is stopped")
    assert Ran(run, 0).verdict == "stopped"
    assert run.adapter.is_dir()

    continue_run(run)
    wait_for_machine(run)
    assert stop_and_wait(run, grace=60) is StopOutcome.EXITED
    assert summarize(run).state == "stopped"


@pytest.mark.usefixtures("machines")
def test_nobody_comes(home: Path, values: dict[str, Any]) -> None:
    run = start(home, values, launch__join_timeout=5)
    command = shlex.join(["deepsynth-tui", "node", *wait_for_machine(run)])
    error = wait_for_end(run).of("error")[-1].data
    assert error["message"] == "1 of 2 nodes did not join within 5 s"
    assert command in error["advice"]
    assert "does not wait for other machines: it is failed" in refused(str(run.path))


@pytest.mark.usefixtures("machines")
def test_nobody_answers(home: Path, values: dict[str, Any]) -> None:
    run = start(home, values)
    option, place, _ = wait_for_machine(run)
    port = place.rpartition(":")[2]
    # A port at which nobody listens.
    output = refused(option, f"127.0.0.1:{int(port) % 65535 + 1}", str(run.path))
    assert "Nobody answers at 127.0.0.1:" in output
    assert "launch.rendezvous" in output
    assert "is not HOST or HOST:PORT" in refused(option, "::1", str(run.path))
