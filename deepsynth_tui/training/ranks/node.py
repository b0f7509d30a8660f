"""The ranks of a run on one of several nodes, as an agent of torchrun.

`python -m deepsynth_tui.training.ranks.node RUN_PATH --nodes N --processes N --endpoint HOST:PORT
--run-id ID --version VERSION [--resume] [--local-address HOST] [--store here|elsewhere]`

`ranks.nodes`, `ranks.joined_nodes` and `ranks.join` start it. torchrun's agents find each other by
their c10d rendezvous at the endpoint, number the ranks, start them and notice their end. Events and
requests go between each rank and the owner of the run.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui import __version__
from deepsynth_tui.machine import nvml
from deepsynth_tui.runs import oom_killer
from deepsynth_tui.runs.job import Failure
from deepsynth_tui.slurm.commands import node_name
from deepsynth_tui.training.ranks.connection import OWNER_VARIABLE, Address, connect
from deepsynth_tui.training.ranks.gpu_assignment import gpu_shortage
from deepsynth_tui.training.ranks.network import interface_of
from deepsynth_tui.training.ranks.protocol import FailedMessage, MessageWriter, NodeEndedMessage

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

JOIN_SECONDS = 900
"""How long to wait for the agents of the other nodes; torchrun's own default."""
LOGS_FOLDER = "logs"
"""Folder of the run with the output of all ranks but the first, which prints to console.log."""


def main(arguments: list[str] | None = None) -> int:
    """Run the ranks of this node and return when all have ended, or when the owner is gone."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.ranks.node")
    parser.add_argument("run", type=Path)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True, help="ranks on this node")
    parser.add_argument("--endpoint", required=True, help="HOST:PORT of the c10d rendezvous")
    parser.add_argument("--run-id", required=True, help="the same on all nodes, new at each start")
    parser.add_argument("--version", required=True, help="of the owner: a container has its own")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--local-address", help="host at which other nodes reach this one")
    parser.add_argument(
        "--store", choices=("here", "elsewhere"), help="where the endpoint is; default: by its host"
    )
    options = parser.parse_args(arguments)
    # Slurm sends SIGTERM to every process. Only the owner acts on it: ranks stop after a step.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if options.local_address and (interface := interface_of(options.local_address)):
        # Else gloo takes the address of the host name, which may be 127.0.1.1 (Debian).
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    connection = connect(Address.from_text(os.environ[OWNER_VARIABLE]), node=node_name())
    writer = MessageWriter(os.dup(connection))
    threading.Thread(target=_end_with_owner, args=(connection,), daemon=True).start()
    if failure := _unfit(options):
        writer.send(FailedMessage(failure, lost_contact=False))
        return 1
    # Not in the main thread: there, torchrun would end the ranks at a SIGTERM.
    agent = threading.Thread(target=_run_agent, args=(options, writer), name="agent")
    agent.start()
    agent.join()
    return 0


def _unfit(options: argparse.Namespace) -> Failure | None:
    """Return why this node cannot take part in the run, None if it can."""
    if options.version != __version__:
        text = f"{node_name()} has deepsynth-tui {__version__}, and {options.version} started it"
        return Failure(
            "TrainingError", text, "Install the same version there: see launch.container."
        )
    if shortage := gpu_shortage(options.processes, nvml.probe()):
        advice = "Lower training.num_processes, or raise launch.nodes or launch.gpus_per_node."
        return Failure("TrainingError", f"{node_name()}: {shortage}", advice)
    return None


def _end_with_owner(connection: int) -> None:
    """End this process when the owner closes the connection; the ranks notice it themselves."""
    while os.read(connection, 1):
        pass
    os._exit(0)


def _run_agent(options: argparse.Namespace, writer: MessageWriter) -> None:
    launched, kills_before = time.time(), oom_killer.read_kill_count()
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cpus // options.processes)))
    # It warns that it handles no signals outside of the main thread, which is the purpose.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.ERROR)
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    command = ["-m", "deepsynth_tui.training.ranks.rank", str(options.run)]
    command += ["--resume"] if options.resume else []
    exits: dict[str, tuple[int, int]] = {}
    try:
        elastic_launch(_launch_config(options), sys.executable)(*command)
    except ChildFailedError as error:
        exits = {str(rank): (one.pid, one.exitcode) for rank, one in error.failures.items()}
    except Exception as error:  # noqa: BLE001 - the process boundary: sent to the owner
        from deepsynth_tui.training.failures import explain
        from deepsynth_tui.training.failures.processes import is_lost_connection

        failure = explain(error)
        text = f"{node_name()}: {failure.message}"
        failure = Failure(failure.class_name, text, failure.advice)
        writer.send(FailedMessage(failure, is_lost_connection(error)))
        return
    killed = {
        rank: oom_killer.was_killed(kills_before, pid, launched) for rank, (pid, _) in exits.items()
    }
    writer.send(NodeEndedMessage(exits, killed))


def _launch_config(options: argparse.Namespace) -> LaunchConfig:
    """Return what torchrun is started with.

    Ranks are not started again here: the whole run is, and resumes.
    """
    from torch.distributed.launcher.api import LaunchConfig

    from deepsynth_tui.training.ranks.rank_logs import RankLogs

    rendezvous = {"timeout": JOIN_SECONDS, "join_timeout": JOIN_SECONDS}
    if options.store:
        rendezvous["is_host"] = options.store == "here"
    return LaunchConfig(
        min_nodes=options.nodes,
        max_nodes=options.nodes,
        nproc_per_node=options.processes,
        run_id=options.run_id,
        rdzv_backend="c10d",
        rdzv_endpoint=options.endpoint,
        rdzv_configs=rendezvous,
        local_addr=options.local_address,
        max_restarts=0,
        logs_specs=RankLogs(options.run / LOGS_FOLDER),
        log_line_prefix_template="[rank ${rank}] ",
        shutdown_timeout=1,
    )


if __name__ == "__main__":
    sys.exit(main())
