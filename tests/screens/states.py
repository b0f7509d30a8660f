"""The screens of the application in their states: empty, filled, error, running, ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import OptionList

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.fit.panel import FitPanel
from deepsynth_tui.tui.screens.monitor import MonitorScreen
from deepsynth_tui.tui.screens.run_dialog import AskText
from deepsynth_tui.tui.widgets.run_table import RunTable
from tests.pilot.forms import form_is_ready, screen_of, start_bar, type_into
from tests.pilot.recorded_runs import (
    START,
    Recorded,
    alive,
    append,
    console,
    drawing,
    drawn,
    ended,
    evaluations,
    finish,
    new_run,
    on_gpu,
    training,
    vanished,
)
from tests.pilot.screen_host import until
from tests.screens.search_states import SEARCH_STATES
from tests.screens.state import State, shows, shows_page

OUT_OF_MEMORY = {
    "class": "OutOfMemoryError",
    "message": "CUDA out of memory. Tried to allocate 1.2 GiB",
    "advice": "Lower training.per_device_train_batch_size (raise gradient_accumulation_steps to "
    "match), or turn on quantization. `deepsynth-tui estimate` shows what fits.",
    "changes": {"training.per_device_train_batch_size": 1},
}
TRAINING_YAML = "kind: training\nname: {name}\nmodel:\n  name_or_path: builtin:tiny-vlm\n"


# Runs


def running_run(home: Path) -> RunDirectory:
    run = _run(home, "rank16", [*training(74), *on_gpu(74), *evaluations("9.12", "97.21", "97.12")])
    alive(run, "training")
    return run


def failed_run(home: Path) -> RunDirectory:
    run = _run(
        home, "rank128", [*training(31), (38, "error", OUT_OF_MEMORY), (38, "done", _FAILED)]
    )
    ended(run)
    return run


def ended_run(home: Path) -> RunDirectory:
    run = new_run(home, "rank32", config_text=TRAINING_YAML.format(name="rank32"), later=5)
    append(run, [*_in_order([*training(120), *evaluations("97.12", "97.12")]), *finish(126, run)])
    run.console.write_text(console(120))
    ended(run)
    return run


def crashed_run(home: Path) -> RunDirectory:
    run = _run(home, "lost", [*training(20)])
    vanished(run)
    return run


def dataset_run(home: Path, documents: int = 17) -> RunDirectory:
    run = new_run(home, "invoices", "dataset")
    append(run, list(drawing(documents)))
    run.console.write_text("reading builtin:sample\ndrawing 40 documents\n")
    alive(run, "drawing", at=80)
    return run


def ended_dataset_run(home: Path) -> RunDirectory:
    run = dataset_run(home, 40)
    append(run, list(drawn(run)))
    ended(run)
    return run


def every_run(home: Path) -> None:
    for make in (ended_dataset_run, ended_run, failed_run, crashed_run, running_run):
        make(home)


_FAILED = {"verdict": "failed"}


def _run(home: Path, name: str, events: list[Recorded]) -> RunDirectory:
    run = new_run(home, name, config_text=TRAINING_YAML.format(name=name), later=10)
    append(run, list(_in_order(events)))
    run.console.write_text(console(sum(kind == "progress" for _, kind, _ in events)))
    return run


def _in_order(events: list[Recorded]) -> Iterator[Recorded]:
    return iter(sorted(events, key=lambda event: event[0]))


# What is pressed


def monitor(
    make: Callable[[Path], RunDirectory], *texts: str, then: tuple[str, ...] = (), after: str = ""
) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Return how to open the monitor of a new run, press keys, and wait for texts."""

    async def show(pilot: Pilot[Any]) -> None:
        run = make(pilot.app.home)  # pyright: ignore[reportAttributeAccessIssue]
        await pilot.app.push_screen(MonitorScreen(run, clock=lambda: START + 81))
        await shows(pilot, *texts)
        if then:
            await pilot.press(*then)
            await shows(pilot, after)

    return show


async def _form(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: form_is_ready(pilot))


async def _settled(pilot: Pilot[Any]) -> None:
    """Wait until the panel is complete and the files were looked at."""
    panel = pilot.app.screen.query_one(FitPanel)
    await until(
        pilot,
        lambda: panel.view is not None and panel.view.report_is_current and bool(panel.view.probe),
    )
    await until(pilot, lambda: screen_of(pilot).preflight is not None)


async def _training_filled(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    await type_into(pilot, "name", "rank32")
    await type_into(pilot, "lora.r", "32")
    await _settled(pilot)


async def _training_error(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    await type_into(pilot, "training.max_steps", "abc")
    await type_into(pilot, "lora.r", "0")
    await shows(pilot, "problems")


async def _dataset_filled(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    await type_into(pilot, "source.path", "builtin:sample")
    await until(pilot, lambda: start_bar(pilot)[0])


async def _dataset_error(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    await type_into(pilot, "source.path", "/no/such/file.jsonl")
    await shows(pilot, "problem")


def _keys_on_form(*keys: str, text: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def show(pilot: Pilot[Any]) -> None:
        await _form(pilot)
        await pilot.press(*keys)
        await shows(pilot, text)

    return show


def _runs(*keys: str, text: str = "crashed") -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def show(pilot: Pilot[Any]) -> None:
        table = pilot.app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 5)
        await shows(pilot, "crashed")
        await pilot.press(*keys)
        await shows(pilot, text)

    return show


async def _no_runs(pilot: Pilot[Any]) -> None:
    await shows(pilot, "No runs yet.")


async def _help(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    await pilot.press("f1")
    await until(pilot, lambda: bool(pilot.app.screen.query(OptionList)))


async def _crash(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    pilot.app.report_error(ZeroDivisionError("seventeen"))  # pyright: ignore[reportAttributeAccessIssue]
    await shows(pilot, "ZeroDivisionError")


async def _too_small(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    await pilot.resize_terminal(50, 12)
    await shows(pilot, "needs 60x16")


async def _question(pilot: Pilot[Any]) -> None:
    await _form(pilot)
    dialog = AskText("Rename rank16", "A new name", "rank16", lambda text: "is taken")
    await pilot.app.push_screen(dialog)
    await pilot.press("enter")
    await shows(pilot, "is taken")


async def _pages(pilot: Pilot[Any]) -> None:
    await _dataset_filled(pilot)
    await pilot.press("ctrl+l")
    await shows_page(pilot)


STATES = (
    State("training-empty", "training", _form),
    State("training-filled", "training", _training_filled),
    State("training-error", "training", _training_error),
    State("dataset-empty", "dataset", _form),
    State("dataset-filled", "dataset", _dataset_filled),
    State("dataset-error", "dataset", _dataset_error),
    State("dataset-pages", "dataset", _pages),
    State("runs-empty", "runs", _no_runs),
    State("runs-filled", "runs", _runs(), every_run),
    State("runs-filter", "runs", _runs("slash", *"rank", text="rank"), every_run),
    State(
        "compare", "runs", _runs("space", "down", "down", "equals_sign", text="held-out"), every_run
    ),
    State("monitor-running", "runs", monitor(running_run, "rank16", "loss 0.")),
    State("monitor-failed", "runs", monitor(failed_run, "failed", "Lower training")),
    State("monitor-ended", "runs", monitor(ended_run, "done")),
    State("monitor-crashed", "runs", monitor(crashed_run, "crashed")),
    State(
        "monitor-samples",
        "runs",
        monitor(running_run, "loss 0.", then=("v", "right"), after="97.12"),
    ),
    State("monitor-dataset", "runs", monitor(dataset_run, "drawing")),
    State("monitor-dataset-ended", "runs", monitor(ended_dataset_run, "done")),
    State("stop", "runs", monitor(running_run, "loss 0.", then=("s",), after="Stop rank16?")),
    State("retry", "runs", monitor(failed_run, "failed", then=("r",), after="Start")),
    State("save", "training", _keys_on_form("f6", text="yaml")),
    State("jump", "training", _keys_on_form("ctrl+n", text="a")),
    State("palette", "training", _keys_on_form("f9", text="Save")),
    State("help", "training", _help),
    State("question", "training", _question),
    State("crash", "training", _crash),
    State("too-small", "training", _too_small),
    *SEARCH_STATES,
)
"""Every screen but those that ask a model (X-ray, answers of an adapter) and those of adapters."""
