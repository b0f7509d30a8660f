"""From a checked form to a running job."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.checks import Config
from deepsynth_tui.runs.directory import RunDirectory, create
from deepsynth_tui.runs.launch import start
from deepsynth_tui.tui.forms.values import FormValues


def start_run(home: Path, form: FormValues, config: Config) -> RunDirectory:
    """Make the run directory of `config` and start its job, which goes on without us.

    Raises RunDirectoryError (the folder) or LaunchError (the process).
    """
    folder = Path(config.output.dir) if config.output.dir else None
    run = create(home, kind=form.kind, name=config.name, config_text=form.as_yaml(), at=folder)
    start(run)
    return run
