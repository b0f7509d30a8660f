"""From a checked configuration to a running job."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.kinds import Config
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import start_job


def start_run(home: Path, config: Config, config_text: str) -> RunDirectory:
    """Create the run directory of `config` and start its job, which outlives this process.

    `config_text` is the YAML of `config`; the run keeps it.

    Raises:
        RunDirectoryError: the run directory cannot be created.
        LaunchError: the process cannot be started.
    """
    run = create_run(
        home,
        kind=config.kind,
        name=config.name,
        config_text=config_text,
        at=Path(config.output.dir) if config.output.dir else None,
    )
    start_job(run)
    return run
