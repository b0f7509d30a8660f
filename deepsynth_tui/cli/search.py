"""The command that searches for the best settings."""

from __future__ import annotations

from typing import Annotated

import typer

from deepsynth_tui.cli.arguments import ConfigPath, Json, Overrides
from deepsynth_tui.cli.reporting import FAILED, INTERRUPTED, echo, print_json, report_errors
from deepsynth_tui.config.locations import home


def search(
    config: ConfigPath,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a search that was stopped or killed.")
    ] = False,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Search for the best settings of a training run (YAML of kind search).

    Trials are runs in the queue. Ctrl-C stops them, and --resume continues.
    """
    from deepsynth_tui.config.load_search import load_search
    from deepsynth_tui.search.folder import create_folder, find_folder, search_lock
    from deepsynth_tui.search.prepare import base_changed, prepare

    with report_errors():
        settings = load_search(config, set_ or ())
        if resume:
            folder = find_folder(home(), settings)
            prepared = prepare(settings, config, base_text=folder.base.read_text(encoding="utf-8"))
            if base_changed(settings, config, prepared):
                echo(f"The base has changed: the search goes on with {folder.base}", err=True)
        else:
            prepared = prepare(settings, config)
            folder = create_folder(home(), settings, prepared.base_text)
        from deepsynth_tui.search.run_search import Search, print_results  # imports Optuna

        with search_lock(folder):
            if not json_:
                echo(f"{settings.name}: {prepared.trials} trials in {folder.path}")
            for notice in prepared.notices:
                echo(notice, err=json_)
            running = Search(home(), folder, settings, prepared, lambda text: echo(text, err=json_))
            try:
                results = running.run()
            except KeyboardInterrupt:
                echo(
                    "Its trials stop after a checkpoint. Continue with: "
                    f"deepsynth-tui search {config} --resume",
                    err=True,
                )
                raise typer.Exit(INTERRUPTED) from None
            if json_:
                print_json(results.to_json())
            else:
                print_results(results, echo)
        if results.best is None:
            raise typer.Exit(FAILED)
