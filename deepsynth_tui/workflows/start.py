"""From a checked configuration to a running job."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.load import load_file
from deepsynth_tui.runs.batch_job import NotSubmitted
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import start_job
from deepsynth_tui.runs.remove import remove_run
from deepsynth_tui.workflows.batch_script import update_batch_script


def start_run(home: Path, config: Config, config_text: str) -> RunDirectory:
    """Create the run directory of `config` and start its job, which outlives this process.

    `config_text` is the YAML of `config`; the run keeps it.

    Raises:
        RunDirectoryError: the run directory cannot be created.
        LaunchError: the process cannot be started.
        NotSubmitted: the batch job is refused; no run is left behind then.
    """
    run = create_run(
        home,
        kind=config.kind,
        name=config.name,
        config_text=config_text,
        at=Path(config.output.dir) if config.output.dir else None,
    )
    update_batch_script(run, config)
    try:
        start_job(run)
    except NotSubmitted:
        remove_run(home, run)
        raise
    return run


def continue_run(run: RunDirectory) -> None:
    """Start the job of an ended run again, with its own settings as its folder has them now.

    Raises:
        ConfigError: its configuration has problems.
        LaunchError: the process cannot be started.
        NotSubmitted: the batch job is refused.
    """
    update_batch_script(run, load_file(run.config, of_run=True).config)
    start_job(run, resume=True)
