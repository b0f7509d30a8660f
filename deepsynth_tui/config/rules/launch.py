"""Rules of `launch`: what a batch job can be made of."""

from __future__ import annotations

from deepsynth_tui.config.launch import host_and_port, time_limit_seconds
from deepsynth_tui.config.rules.rule import Rule
from deepsynth_tui.config.training import TrainingConfig

_TEXTS = ("partition", "account", "constraint", "container")
_OWN_OPTIONS = frozenset(
    {"-N", "-n", "-J", "-D", "-o", "-e", "-a", "-p", "-A", "-t", "-C"}
    | {"--nodes", "--ntasks", "--ntasks-per-node", "--job-name", "--chdir", "--output", "--error"}
    | {"--array", "--open-mode", "--requeue", "--no-requeue", "--signal", "--export"}
    | {"--partition", "--account", "--time", "--constraint", "--gpus-per-node"}
)
"""Options that the script sets itself or depends on; sbatch takes the last of two."""


def _wrong_gpu_count(config: TrainingConfig) -> str | None:
    """Return what the number of processes would have to be."""
    launch, processes = config.launch, config.training.num_processes
    needed = launch.nodes * (launch.gpus_per_node or 0)
    if launch.target == "local" or not needed or needed == processes:
        return None
    return str(needed)


def _hard_to_write(config: TrainingConfig) -> str | None:
    """Return the first setting that is not one word in a script."""
    values = [(name, getattr(config.launch, name)) for name in _TEXTS]
    values += [("sbatch_options", option) for option in config.launch.sbatch_options]
    return next(
        (
            f"launch.{name}"
            for name, value in values
            if value is not None and (not value.strip() or not value.isprintable())
        ),
        None,
    )


def _own_option(config: TrainingConfig) -> str | None:
    options = config.launch.sbatch_options
    names = [
        option.partition("=")[0].split()[0] if option.startswith("--") else option[:2]
        for option in options
        if option.strip()
    ]
    return next((name for name in names if name in _OWN_OPTIONS), None)


def _ends_too_early(config: TrainingConfig) -> bool:
    limit = time_limit_seconds(config.launch.time or "")
    return bool(limit) and limit <= config.launch.signal_seconds


LAUNCH_RULES = (
    Rule(
        ("launch.nodes", "launch.target"),
        lambda c: c.launch.target == "local" and c.launch.nodes > 1,
        "a run that is started on this machine has one node",
        "set launch.target to slurm or torchrun, or launch.nodes to 1",
    ),
    Rule(
        ("launch.nodes", "launch.target"),
        lambda c: c.launch.target == "torchrun" and c.launch.nodes == 1,
        "torchrun is for several nodes",
        "raise launch.nodes, or set launch.target to local",
    ),
    Rule(
        ("launch.rendezvous",),
        lambda c: c.launch.rendezvous is not None and not host_and_port(c.launch.rendezvous),
        "is not HOST or HOST:PORT",
        "such as 10.0.0.1 or gpu-a:29400; for an IPv6 address, a name",
    ),
    Rule(
        ("training.num_processes", "launch.nodes"),
        lambda c: c.training.num_processes % c.launch.nodes and c.launch.nodes,
        "counts the processes on all nodes, and cannot be divided among {}",
        "make it a multiple of launch.nodes",
    ),
    Rule(
        ("launch.gpus_per_node", "launch.nodes", "launch.target", "training.num_processes"),
        _wrong_gpu_count,
        "each process has one GPU, and launch.nodes nodes have {} of them",
        "set training.num_processes to the GPUs on all nodes, or leave launch.gpus_per_node unset",
    ),
    Rule(
        ("launch.time",),
        lambda c: c.launch.time is not None and not time_limit_seconds(c.launch.time),
        "is not a time limit of sbatch",
        "minutes, hours:minutes:seconds or days-hours, such as '12:00:00', in quotes",
    ),
    Rule(
        ("launch.time", "launch.signal_seconds"),
        _ends_too_early,
        "is not longer than launch.signal_seconds, at which the run would end at once",
        "raise it, or lower launch.signal_seconds",
    ),
    Rule(
        (
            *("launch.partition", "launch.account", "launch.constraint", "launch.container"),
            "launch.sbatch_options",
        ),
        _hard_to_write,
        "{} is empty or has characters that cannot be printed",
        "leave it unset, or write it in one line",
    ),
    Rule(
        ("launch.container", "launch.target"),
        lambda c: c.launch.container is not None and c.launch.target != "slurm",
        "is for batch jobs",
        "leave it out, or set launch.target to slurm",
    ),
    Rule(
        ("launch.sbatch_options",),
        lambda c: next((o for o in c.launch.sbatch_options if not o.startswith("-")), None),
        "{} is not an option",
        "write each as sbatch takes it, such as --mem=128G",
    ),
    Rule(
        ("launch.sbatch_options",),
        _own_option,
        "{} is set by the program",
        "leave it out; nodes, partition, account, time and constraint have keys of their own",
    ),
)
