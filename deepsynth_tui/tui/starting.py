"""From a checked form to a running job."""

from __future__ import annotations

import sys
from pathlib import Path

from deepsynth_tui.config.checks import Config
from deepsynth_tui.runs.directory import RunDirectory, create
from deepsynth_tui.runs.launch import launch
from deepsynth_tui.tui.form_values import FormValues


def start_run(home: Path, form: FormValues, config: Config) -> RunDirectory:
    """Make the run directory of `config` and start its job, which goes on without us.

    Raises RunDirectoryError (the folder) or LaunchError (the process).
    """
    folder = Path(config.output.dir).expanduser() if config.output.dir else None
    run = create(home, kind=form.kind, name=config.name, config_text=form.as_yaml(), at=folder)
    launch(run, [sys.executable, "-m", f"deepsynth_tui.{form.kind}.job", str(run.path)])
    return run
