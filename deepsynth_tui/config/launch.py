"""Where a training run is started: on this machine, by Slurm, or on several machines by hand."""

from __future__ import annotations

import re
from typing import Literal

from deepsynth_tui.config.setting import SectionInfo, Settings, setting

_HOST = re.compile(r"(?P<host>[^\s:]+)(?::(?P<port>\d{1,5}))?")
_TIME = re.compile(
    r"(?:(?P<days>\d+)-(?P<day_hours>\d+)(?::(?P<day_minutes>\d+)(?::(?P<day_seconds>\d+))?)?"
    r"|(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+)|(?P<only_minutes>\d+))"
)


class LaunchSettings(Settings):
    """Where the run is started. The names are those of `sbatch`."""

    section = SectionInfo(
        summary="{target}", preset_resets=False, in_preflight=True, on_resume="free"
    )

    target: Literal["local", "slurm", "torchrun"] = setting(
        "local",
        label="Start with",
        help="local: a process on this machine. slurm: a batch job. torchrun: this machine, and "
        "others that join by `deepsynth-tui node RUN`. With slurm and torchrun, the run folder "
        "must be on a disk that all nodes share.",
        advanced=True,
    )
    nodes: int = setting(
        1,
        label="Nodes",
        help="Machines of the run; training.num_processes counts the processes on all of them.",
        suggested=(1, 2, 4, 8),
        ge=1,
        advanced=True,
    )
    gpus_per_node: int | None = setting(
        None,
        label="GPUs per node",
        help="GPUs to ask Slurm for on each node; 0: train on the CPU.",
        placeholder="one for each process",
        ge=0,
        advanced=True,
    )
    partition: str | None = setting(
        None,
        label="Partition",
        help="Partition to submit to.",
        placeholder="that of the cluster",
        advanced=True,
    )
    account: str | None = setting(
        None,
        label="Account",
        help="Account that pays for the job.",
        placeholder="yours",
        advanced=True,
    )
    time: str | None = setting(
        None,
        label="Time limit",
        help="Time limit as sbatch takes it, such as 12:00:00 or 2-00. A run that is not done by "
        "then writes a checkpoint, is requeued and continues.",
        placeholder="that of the partition",
        advanced=True,
    )
    constraint: str | None = setting(
        None,
        label="Constraint",
        help="Features that the nodes must have, such as a100|h100.",
        advanced=True,
    )
    signal_seconds: int = setting(
        300,
        label="Time for a checkpoint",
        help="Seconds before the time limit at which the run writes a checkpoint and is requeued.",
        unit="seconds",
        suggested=(60, 120, 300, 600),
        ge=10,
        le=65535,
        advanced=True,
    )
    rendezvous: str | None = setting(
        None,
        label="Rendezvous",
        help="torchrun: HOST or HOST:PORT at which the other machines reach this one.",
        placeholder="its address, a free port",
        advanced=True,
    )
    join_timeout: int = setting(
        900,
        label="Time to join",
        help="torchrun: seconds to wait for the other machines, at the start and after one is "
        "lost.",
        unit="seconds",
        suggested=(300, 900, 3600, 86400),
        ge=5,
        advanced=True,
    )
    setup: list[str] = setting(
        [],
        label="Setup",
        help="Shell lines before the start, such as `module load cuda`; the job ends if one fails.",
        yaml_only=True,
    )
    container: str | None = setting(
        None,
        label="Container",
        help="Image with deepsynth-tui in it, in which the nodes of a batch job train: a .sif file "
        "or a URI such as docker://NAME:TAG by Apptainer, a .sqsh file or REGISTRY#NAME:TAG by "
        "Pyxis.",
        placeholder="no container",
        advanced=True,
    )
    sbatch_options: list[str] = setting(
        [],
        label="Other sbatch options",
        help="Further options of sbatch, such as --mem=128G, --cpus-per-task=16 or --qos=long.",
        yaml_only=True,
    )


def time_limit_seconds(text: str) -> int | None:
    """Return the seconds of a time limit of `sbatch --time`, None if it is not one.

    sbatch(1): minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes or
    days-hours:minutes:seconds.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    part = {name: int(value or 0) for name, value in match.groupdict().items()}
    hours = part["days"] * 24 + part["day_hours"] + part["hours"]
    minutes = hours * 60 + part["day_minutes"] + part["minutes"] + part["only_minutes"]
    return minutes * 60 + part["day_seconds"] + part["seconds"]


def host_and_port(text: str) -> tuple[str, int | None] | None:
    """Return the parts of HOST or HOST:PORT, None if `text` is neither. IPv6 needs a name."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    return None if port is not None and not 0 < port < 1 << 16 else (match["host"], port)
