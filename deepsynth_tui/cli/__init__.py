"""The command line (Typer).

Exit codes: 0 done, 1 failed, 2 bad input with every problem on stderr, 130 interrupted. With
`--json`, stdout holds JSON and nothing else. Heavy imports are inside the commands.
"""

from __future__ import annotations

import typer

from deepsynth_tui.cli import adapters, datasets, interface, jobs, queue, reference, runs, search

app = typer.Typer(
    help="Turn documents into page images and fine-tune vision-language models on them.",
    no_args_is_help=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback(invoke_without_command=True)(interface.open_app)
# The order of `--help`.
for command in (
    interface.demo,
    jobs.generate,
    jobs.train,
    search.search,
    datasets.export,
    reference.estimate,
    reference.presets,
    interface.attach,
    interface.serve,
    interface.keys,
    runs.logs,
    runs.stop,
    runs.node,
    reference.gpus,
    reference.schema,
    reference.doctor,
):
    app.command()(command)
app.add_typer(runs.app, name="runs")
app.add_typer(queue.app, name="queue")
app.add_typer(adapters.app, name="adapters")
