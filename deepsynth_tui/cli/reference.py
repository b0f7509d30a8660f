"""Commands that look something up: estimates, presets, GPUs, schemas, this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepsynth_tui.cli.arguments import Json, Overrides, load, refuse
from deepsynth_tui.cli.reporting import FAILED, BadInput, echo, print_json, report_errors
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.inputs import EstimateInputs
    from deepsynth_tui.estimate.scaling import Scaling


def estimate(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.")],
    gpu: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Suggest what makes the run fit this GPU, e.g. T4."),
    ] = None,
    ranks: Annotated[bool, typer.Option("--ranks", help="Compare LoRA ranks.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate a training step: slower, more exact.")
    ] = False,
    nodes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="Compare numbers of nodes, with --gpu: time, network, cost."
        ),
    ] = None,
    gpus_per_node: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --nodes; default: as the run has."),
    ] = None,
    link: Annotated[
        str,
        typer.Option(metavar="GB/S|NAME", help="With --nodes: bandwidth between the GPUs."),
    ] = "nvlink4",
    network: Annotated[
        str,
        typer.Option(metavar="GB/S|NAME", help="With --nodes: bandwidth of each node's network."),
    ] = "100gbe",
    set_: Overrides = None,
    json_: Json = False,
) -> None:
    """Estimate memory, time and cost of runs, and which GPUs they fit."""
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate import report, report_text, scaling_text
    from deepsynth_tui.machine import nvml
    from deepsynth_tui.models.lora_problems import lora_problems
    from deepsynth_tui.training.simulation import client
    from deepsynth_tui.workflows.estimate import gather_inputs

    with report_errors():
        loaded = [
            (path, load(path, TrainingConfig, set_, estimate_only=True)[0]) for path in configs
        ]
        devices = nvml.probe().devices
        for path, config in loaded:
            inputs = gather_inputs(config)
            refuse(lora_problems(inputs.layout.names, config.lora, config.model), path)
            if nodes is not None:
                per_node = gpus_per_node or config.processes_per_node
                scaling = _scaling(config, inputs, gpu, nodes, per_node, (link, network))
                if json_:
                    print_json(scaling.to_json())
                    continue
                for line in (str(path), *scaling_text.scaling_lines(scaling)):
                    echo(line)
                continue
            simulated = None
            if simulate:
                computed = inputs.estimate_on(config, ())
                simulated = client.request_simulation(
                    config, inputs.dataset, cached_features=computed.page_features is not None
                ).apply
            fit = report.fit_report(config, inputs, devices, refine=simulated)
            wanted = _full_name(
                gpu, [gpu_fit.name for gpu_fit in (*fit.machine_gpus, *fit.catalogue_gpus)]
            )
            if json_:
                print_json(fit.to_json())
                continue
            echo(report_text.report_text(fit, str(path), gpu=wanted))
            if ranks and fit.ranks:
                echo(report_text.ranks_text(fit))


def _scaling(
    config: TrainingConfig,
    inputs: EstimateInputs,
    gpu: str | None,
    nodes: str,
    gpus_per_node: int,
    bandwidths: tuple[str, str],
) -> Scaling:
    """Estimate the run on several nodes with the GPU of the catalogue that `gpu` names."""
    from deepsynth_tui.estimate.scaling import Links, scale
    from deepsynth_tui.estimate.scaling_text import parse_bandwidth, parse_nodes

    name = _full_name(gpu, [known.name for known in inputs.gpus])
    if name is None:
        raise BadInput("--nodes needs --gpu: the GPU of the nodes", "`gpus` lists the known ones")
    return scale(
        config,
        inputs,
        next(known for known in inputs.gpus if known.name == name),
        nodes=parse_nodes(nodes),
        gpus_per_node=gpus_per_node,
        links=Links(*map(parse_bandwidth, bandwidths)),
    )


def presets(
    name: Annotated[str | None, typer.Argument(help="Print this preset: group/name.")] = None,
    json_: Json = False,
) -> None:
    """List the presets, or print one of them."""
    from deepsynth_tui.config.presets import GROUPS, list_presets

    with report_errors():
        presets = {
            f"{group}/{preset.name}": preset for group in GROUPS for preset in list_presets(group)
        }
        if name is not None:
            matches = [key for key, preset in presets.items() if name in (key, preset.name)]
            if len(matches) != 1:
                problem = "several presets have" if matches else "no preset has"
                choices = ", ".join(matches or presets)
                raise BadInput(f"{name}: {problem} this name; use one of {choices}")
            echo(presets[matches[0]].text, nl=False)
        elif json_:
            fields = ("group", "name", "title", "values")
            print_json(
                [{field: getattr(preset, field) for field in fields} for preset in presets.values()]
            )
        else:
            for key, preset in presets.items():
                echo(f"{key:<34}{preset.title}")


def gpus(json_: Json = False) -> None:
    """List the GPUs of this machine and those of the catalogue."""
    from deepsynth_tui.estimate import report_text
    from deepsynth_tui.machine import nvml
    from deepsynth_tui.machine.gpu_catalogue import load_catalogue

    with report_errors():
        probe = nvml.probe()
        if json_:
            print_json(report_text.gpus_json(probe, load_catalogue()))
        else:
            echo(report_text.gpus_text(probe, load_catalogue()))


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="training, dataset or search.")],
) -> None:
    """Print the JSON Schema of a configuration, for editors."""
    from deepsynth_tui.config.kinds import CONFIG_TYPES
    from deepsynth_tui.config.search import SearchConfig

    with report_errors():
        models = {**CONFIG_TYPES, "search": SearchConfig}
        if kind not in models:
            raise BadInput(f"{kind}: no such kind of run; use one of {', '.join(models)}")
        print_json(models[kind].model_json_schema())


def doctor() -> None:
    """Check this machine: packages, GPU, disk, Hub, terminal, fonts."""
    from deepsynth_tui.workflows.doctor import examine

    with report_errors():
        findings = examine(home())
        for finding in findings:
            echo(str(finding))
        if any(finding.fatal for finding in findings):
            raise typer.Exit(FAILED)


def _full_name(wanted: str | None, names: Sequence[str]) -> str | None:
    """Return the name in `names` that equals `wanted`, or the only one that contains it."""
    if wanted is None or wanted in names:
        return wanted
    matches = [name for name in names if wanted.casefold() in name.casefold()]
    if len(matches) != 1:
        problem = "several GPUs match" if matches else "no GPU matches"
        raise BadInput(f"{wanted}: {problem}; use one of {', '.join(matches or names)}")
    return matches[0]
