"""A Slurm cluster of two nodes on this machine: daemons with keys, ports and state of their own.

Both nodes are this host, under two names (`slurmd -N`), as in Slurm's own "multiple slurmd" set-up.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "setpriv")
NODES = ("n1", "n2")
START_SECONDS = 30.0
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
SlurmdTimeout=5
KillWait=5
MinJobAge=300
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=cpu Nodes={node_names} Default=YES MaxTime=INFINITE State=UP
"""


def missing_commands() -> list[str]:
    """Return the commands of Slurm and MUNGE that are not installed; Debian has them in sbin."""
    return [name for name in COMMANDS if _which(name) is None]


class SlurmCluster:
    """The daemons of a cluster; `configuration` is what SLURM_CONF has to name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons and return when both nodes are idle."""
        for name in ("munge", "state", *NODES):
            (self.folder / name).mkdir(mode=0o711 if name == "munge" else 0o700)
        self._write_configuration()
        self._start_munge()
        self._start("slurmctld", "slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: self.node_states() == dict.fromkeys(NODES, "idle"))

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self._start(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill the slurmd of a node and all that it has started, as a power cut would."""
        daemon = self._daemons.pop(node)
        daemon.kill()
        daemon.wait()
        jobs = self.processes_of(node)
        # First: a slurmstepd that lives longer than its processes would report their end.
        for pid in (*filter(_is_step, {_parent(pid) for pid in jobs}), *jobs):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes_of(self, node: str) -> list[int]:
        """Return the pids of what a node's slurmd has started for jobs.

        Tests that run beside these have clusters with nodes of the same names.
        """
        marks = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.configuration}".encode()}
        pids: list[int] = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdecimal() and marks <= _environment_of(process):
                    pids.append(int(process.name))
        return pids

    def node_states(self) -> dict[str, str]:
        """Return the state of each node as `sinfo` says it."""
        lines = self.run("sinfo", "-h", "-N", "-o", "%N %T").splitlines()
        return dict(line.split() for line in lines if " " in line)

    def run(self, *command: str) -> str:
        """Run a command of Slurm and return its output; empty while the cluster does not answer."""
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, check=False
        )
        return done.stdout

    def wait(self, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait until `condition` holds; fail with the logs of the daemons if it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = (path.read_text()[-2000:] for path in self.folder.glob("*.log"))
                raise AssertionError("\n".join((self.run("squeue", "-a"), *logs)))
            time.sleep(0.05)

    def stop(self) -> None:
        """Cancel all jobs and end all daemons."""
        self.run("scancel", f"--user={getpass.getuser()}")
        for node in NODES:
            if node in self._daemons:
                self.kill_node(node)
        for daemon in reversed(self._daemons.values()):
            daemon.kill()
            daemon.wait()

    def _write_configuration(self) -> None:
        host = socket.gethostname().partition(".")[0]
        controller, *ports = _free_ports(1 + len(NODES))
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2"
            for node, port in zip(NODES, ports, strict=True)
        ]
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host,
                controller_port=controller,
                user=getpass.getuser(),
                folder=self.folder,
                nodes="\n".join(nodes),
                node_names=",".join(NODES),
            )
        )

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_bytes(os.urandom(1024))
        files = {
            "--key-file": "key",
            "--socket": "socket",
            "--pid-file": "pid",
            "--log-file": "log",
            "--seed-file": "seed",
        }
        options = [f"{option}={folder / name}" for option, name in files.items()]
        # --force: folders of a test may be writable by a group
        self._start("munged", "munged", "--foreground", "--force", *options)
        self.wait(lambda: (folder / "socket").exists())

    def _start(self, name: str, command: str, *arguments: str) -> None:
        path = _which(command)
        assert path is not None
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", path, *arguments],  # ends with a killed pytest
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.configuration)}


def _environment_of(process: Path) -> set[bytes]:
    return set((process / "environ").read_bytes().split(b"\0"))


def _parent(pid: int) -> int:
    """Return the pid of the parent of a process, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _is_step(pid: int) -> bool:
    """Whether a process is the slurmstepd of a job step."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"slurmstepd")
    except OSError:
        return False


def _which(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
