"""Commands that look something up: what fits, what can be set, what this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deepsynth_tui.cli.arguments import Json, Overrides, load
from deepsynth_tui.cli.reporting import FAILED, BadInput, print_json, reported
from deepsynth_tui.config.locations import home


def estimate(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.")],
    gpu: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Say what would make it fit this GPU, e.g. T4."),
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Compare the ranks of LoRA.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Take a step without memory: slower, more exact.")
    ] = False,
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Say whether runs fit, how long they take and what they cost, before they start."""
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate import report, report_text
    from deepsynth_tui.machine import nvml
    from deepsynth_tui.training.simulation import client
    from deepsynth_tui.workflows.estimate import gather_inputs

    with reported():
        loaded = [(path, load(path, TrainingConfig, set_, starting=False)[0]) for path in configs]
        here = nvml.probe().devices
        for path, config in loaded:
            grounds = gather_inputs(config)
            better = client.simulate(config, grounds.dataset).apply if simulate else None
            found = report.fit_report(config, grounds, here, refine=better)
            wanted = _named(gpu, [one.name for one in (*found.machine_gpus, *found.catalogue_gpus)])
            if json_:
                print_json(found.to_json())
                continue
            typer.echo(report_text.report_text(found, str(path), gpu=wanted))
            if ranks and found.ranks:
                typer.echo(report_text.ranks_text(found))


def presets(
    name: Annotated[str | None, typer.Argument(help="group/name: print that file.")] = None,
    json_: Json = False,
) -> None:
    """List the presets, or print one to copy."""
    from deepsynth_tui.config.presets import GROUPS, list_presets

    with reported():
        found = [preset for group in GROUPS for preset in list_presets(group)]
        if name is not None:
            chosen = [one for one in found if name in (one.name, f"{one.group}/{one.name}")]
            if len(chosen) != 1:
                raise BadInput(
                    f"{name}: {'several presets are' if chosen else 'no preset is'} called that; "
                    "one of " + ", ".join(f"{one.group}/{one.name}" for one in chosen or found)
                )
            typer.echo(chosen[0].text, nl=False)
        elif json_:
            fields = ("group", "name", "title", "values")
            print_json([{field: getattr(one, field) for field in fields} for one in found])
        else:
            for one in found:
                typer.echo(f"{one.group + '/' + one.name:<28}{one.title}")


def gpus(json_: Json = False) -> None:
    """List the GPUs here and those that estimates are made for."""
    from deepsynth_tui.estimate import report_text
    from deepsynth_tui.machine import nvml
    from deepsynth_tui.machine.gpu_catalogue import load_catalogue

    with reported():
        probe = nvml.probe()
        if json_:
            print_json(report_text.gpus_json(probe, load_catalogue()))
        else:
            typer.echo(report_text.gpus_text(probe, load_catalogue()))


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="training or dataset.")],
) -> None:
    """Print the JSON Schema of a configuration, for editors."""
    from deepsynth_tui.config.load import CONFIG_TYPES

    with reported():
        if kind not in CONFIG_TYPES:
            raise BadInput(f"{kind}: no kind of run; one of {', '.join(CONFIG_TYPES)}")
        print_json(CONFIG_TYPES[kind].model_json_schema())


def doctor() -> None:
    """Check this machine: packages, GPU, disk, Hub, terminal."""
    from deepsynth_tui.workflows import doctor as the_doctor

    with reported():
        findings = the_doctor.examine(home())
        for finding in findings:
            typer.echo(str(finding))
        if any(finding.fatal for finding in findings):
            raise typer.Exit(FAILED)


def _named(wanted: str | None, names: Sequence[str]) -> str | None:
    """Return the one of `names` that is meant: the name itself, or the only one it is part of."""
    if wanted is None or wanted in names:
        return wanted
    found = [name for name in names if wanted.casefold() in name.casefold()]
    if len(found) != 1:
        said = "several GPUs are" if found else "no GPU is"
        raise BadInput(f"{wanted}: {said} called that; one of {', '.join(found or names)}")
    return found[0]
