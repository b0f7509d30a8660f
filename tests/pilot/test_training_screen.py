"""The Training screen: fit panel, drafts, saving, datasets of ended runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from deepsynth_tui.builtin import TINY_BERT, TINY_QWEN3
from deepsynth_tui.child_process import ChildError
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.model import DEFAULT_MODEL
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.run_memory import MemoryItem
from deepsynth_tui.estimate.report import fit_report
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.training.simulation import client
from deepsynth_tui.training.simulation.client import SimulationError
from deepsynth_tui.training.simulation.simulated_estimate import SimulatedMemory
from deepsynth_tui.tui.fit.panel import FitPanel
from deepsynth_tui.tui.fit.view import FitView
from deepsynth_tui.tui.forms.drafts import draft_path, save_draft
from deepsynth_tui.tui.screens import training
from deepsynth_tui.tui.screens.save import SaveDialog
from deepsynth_tui.tui.screens.training import TrainingScreen
from deepsynth_tui.workflows.estimate import gather_inputs
from tests.pilot.forms import (
    cache_model_layout,
    form_app,
    form_is_ready,
    form_of,
    row_of,
    screen_of,
    start_bar,
    type_into,
)
from tests.pilot.screen_host import text_of, until


@pytest.fixture(autouse=True)
def _model(home: Path) -> None:
    cache_model_layout()


async def answered(pilot: Pilot[Any]) -> FitView:
    """Wait until the panel has the whole answer for the form as it stands."""
    panel = pilot.app.screen.query_one(FitPanel)
    await until(pilot, lambda: panel.view is not None and panel.view.report_is_current)
    assert panel.view is not None
    assert panel.view.report is not None
    return panel.view


async def test_the_fit_panel_follows_every_change(home: Path) -> None:
    async with form_app(home, size=(120, 70)) as pilot:
        before = (await answered(pilot)).computed
        # r 16 on 2 x 4 square projections of 512
        assert before.trainable_params == 8 * 16 * 1024
        await form_of(pilot).focus_field("lora.r")
        await pilot.press("right")
        view = await answered(pilot)
        assert view.computed.trainable_params == 8 * 32 * 1024
        assert view.previous == before
        text = text_of(screen_of(pilot))
        assert "262 k of" in text
        assert "+131 k" in text
        assert "✓ fits  T4 (16GB)" in text
        assert "computed" in text


async def test_a_known_model_is_estimated_in_the_same_turn_as_the_change(home: Path) -> None:
    async with form_app(home) as pilot:
        await answered(pilot)
        screen, panel = screen_of(pilot), pilot.app.screen.query_one(FitPanel)
        assert screen.form is not None
        screen.form.values = screen.form.values.with_values({"lora.r": 128})
        screen.on_form_changed()
        assert panel.estimate is not None
        assert panel.estimate.trainable_params == 8 * 128 * 1024, "nothing was waited for"


async def test_the_panel_shows_what_the_command_line_prints(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "training.per_device_train_batch_size", "48")
        view = await answered(pilot)
        config = form_of(pilot).values.as_config()
        assert isinstance(config, TrainingConfig)
        report = fit_report(config, gather_inputs(config)).to_json()
        assert view.computed.to_json().items() <= report.items()
        assert {row.name: row.fit.value for row in view.gpu_rows} == report["gpu_fit_word"]
        assert view.report is not None
        assert view.report.to_json()["largest_batch"] == report["largest_batch"]
        assert view.report.to_json()["ranks"] == report["ranks"]


async def test_a_narrow_terminal_keeps_the_verdict_on_one_line_until_it_is_opened(
    home: Path,
) -> None:
    async with form_app(home, size=(80, 24)) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await answered(pilot)
        await pilot.pause()
        assert panel.size.height == 1
        assert "computed · ✓ fits" in text_of(screen_of(pilot))
        await form_of(pilot).focus_field("name")
        field = pilot.app.focused
        await pilot.press("escape")
        await until(pilot, lambda: "weights" in text_of(screen_of(pilot)))
        assert pilot.app.focused is panel
        assert panel.size.height > 15
        await pilot.press("escape")
        await until(pilot, lambda: panel.size.height == 1)
        assert pilot.app.focused is field


async def test_the_change_that_makes_it_fit_is_one_key_and_can_be_taken_back(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "training.per_device_train_batch_size", "512")
        view = await answered(pilot)
        assert view.selected_gpu is not None
        assert view.selected_gpu.fit is Fit.NO
        await pilot.press("escape", "a")
        now = await answered(pilot)
        name = view.selected_gpu.name
        assert next(row for row in now.gpu_rows if row.name == name).fit is not Fit.NO
        values = form_of(pilot).values
        changed = [key for key in values.values if values.is_changed(key)]
        assert changed, "marked like any other change"
        for key in changed:
            await form_of(pilot).focus_field(key)
            await pilot.press("f7")
        assert not any(form_of(pilot).values.is_changed(key) for key in changed)
        await answered(pilot)
        await pilot.press("ctrl+g")  # to float16, as this GPU has no bfloat16
        assert form_of(pilot).values.values["training.fp16"] is True
        await answered(pilot)
        await pilot.press("ctrl+g")
        toasts = [toast.message for toast in pilot.app._notifications]
        assert any("suggests no change" in toast for toast in toasts), "it fits: nothing to make"


async def test_left_and_right_step_the_rank_from_the_panel(home: Path) -> None:
    async with form_app(home) as pilot:
        await answered(pilot)
        await pilot.press("escape", *["right"] * 9)
        assert form_of(pilot).values.values["lora.r"] == 128, "the highest that is suggested"
        await pilot.press("left")
        assert form_of(pilot).values.values["lora.r"] == 64
        await answered(pilot)
        await until(pilot, lambda: "▸   64" in text_of(screen_of(pilot)))


async def test_the_table_of_ranks_comes_into_view_with_the_field(home: Path) -> None:
    async with form_app(home) as pilot:
        await answered(pilot)
        assert "▸   16" not in text_of(screen_of(pilot))
        await form_of(pilot).focus_field("lora.r")
        await until(pilot, lambda: "▸   16" in text_of(screen_of(pilot)))
        await form_of(pilot).focus_field("name")
        await until(pilot, lambda: "weights" in text_of(screen_of(pilot)))


async def test_a_simulation_is_shown_beside_the_computed_figure_until_a_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, released = threading.Event(), threading.Event()

    def simulate(config: TrainingConfig, dataset: RowStatistics, **_: bool) -> SimulatedMemory:
        started.set()
        assert released.wait(30)
        parts: dict[MemoryItem, int] = {"weights": 3 * 2**20, "activations": 2**30 - 3 * 2**20}
        return SimulatedMemory(2**30, 2**30, 2**30, parts, notes=(), seconds=1.0)

    monkeypatch.setattr(client, "request_simulation", simulate)
    async with form_app(home) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await answered(pilot)
        await type_into(pilot, "data.path", "owner/data")
        await pilot.press("ctrl+t")
        await until(pilot, started.is_set)
        assert "Simulating one training step" in text_of(screen_of(pilot))
        await type_into(pilot, "lora.r", "64")
        assert not panel.simulating, "a change drops it"
        released.set()
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "simulated 1.0 GiB (" in text_of(screen_of(pilot)))
        assert panel.estimate is not None
        assert panel.estimate.source == "simulated"
        await type_into(pilot, "lora.r", "32")
        assert panel.estimate is not None
        assert panel.estimate.source == "closed_form"


async def test_a_simulation_that_fails_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def simulate(config: TrainingConfig, dataset: RowStatistics, **_: bool) -> SimulatedMemory:
        raise SimulationError("No such kernel.", "Take another model.")

    monkeypatch.setattr(client, "request_simulation", simulate)
    async with form_app(home) as pilot:
        await type_into(pilot, "data.path", "owner/data")
        await answered(pilot)
        await pilot.press("ctrl+t")
        toasts = pilot.app._notifications
        await until(pilot, lambda: any("No such kernel" in toast.message for toast in toasts))
        assert not pilot.app.screen.query_one(FitPanel).simulating


async def test_the_gpus_are_probed_only_while_the_screen_is_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = 0

    def probe() -> Probe:
        nonlocal probes
        probes += 1
        return Probe((), "none here")

    monkeypatch.setattr(nvml, "probe", probe)
    monkeypatch.setattr(training, "PROBE_SECONDS", 0.01)
    async with form_app(home) as pilot:
        await until(pilot, lambda: probes > 2)
        await pilot.press("f4")
        await until(pilot, lambda: not isinstance(pilot.app.screen, TrainingScreen))
        before = -1  # probes that were under way may still end
        for _ in range(100):
            if probes == before:
                break
            before = probes
            await pilot.pause(0.1)
        assert probes == before, "probing goes on"
        await pilot.press("f3")
        await until(pilot, lambda: probes > before + 2)


async def test_the_focused_panel_names_the_keys_that_work_in_it(home: Path) -> None:
    async with form_app(home) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await until(pilot, lambda: "^t simulates" in text_of(screen_of(pilot)))
        await pilot.press("escape")
        await until(pilot, lambda: " s simulates" in text_of(screen_of(pilot)))
        assert panel.has_focus


async def test_an_unreadable_model_is_reported_with_advice(home: Path) -> None:
    async with form_app(home) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await type_into(pilot, "model.name_or_path", "no/such-model")
        assert "Reading the layout of no/such-model" in panel.status
        await until(pilot, lambda: panel.advice != "")
        assert panel.estimate is None
        assert "no/such-model" in text_of(screen_of(pilot))
        await type_into(pilot, "model.name_or_path", DEFAULT_MODEL)
        await until(pilot, lambda: panel.estimate is not None)


async def test_figures_of_former_settings_are_marked_as_such(home: Path) -> None:
    async with form_app(home) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await answered(pilot)
        await type_into(pilot, "data.max_length", "many")
        await until(pilot, lambda: "Below: the settings before." in text_of(screen_of(pilot)))
        assert "of GPU memory" not in text_of(screen_of(pilot))
        assert panel.selected_fit is None, "nothing of it can be applied"
        await pilot.press("escape", "right")
        assert panel.view is not None
        assert panel.view.rank == 32, "the mark is at the rank of the form"


async def test_no_process_is_started_for_a_half_typed_model(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(module: str, *_: object, **__: object) -> Any:
        asked.append(module)
        raise ChildError("asked", "")

    async with form_app(home) as pilot:
        await until(pilot, lambda: not screen_of(pilot)._file_check.is_running)
        monkeypatch.setattr("deepsynth_tui.child_process.ask", ask)
        monkeypatch.setattr("deepsynth_tui.models.layout_client.ask", ask)
        panel = pilot.app.screen.query_one(FitPanel)
        await type_into(pilot, "model.name_or_path", "")
        await until(pilot, lambda: panel.status == "Waiting for valid settings …")
        await type_into(pilot, "model.name_or_path", "Qwen")
        await until(pilot, lambda: "neither a folder nor a Hub id" in panel.status)
        assert asked == []
        await pilot.press("ctrl+r")
        await until(pilot, lambda: asked != [])


async def test_a_missing_dataset_is_reported_at_its_field(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "data.path", str(home / "nowhere"))
        assert start_bar(pilot) == (False, "… checking the files")
        await until(pilot, lambda: row_of(pilot, "data.path").problem != "")
        assert not start_bar(pilot)[0]
        assert "problems" in start_bar(pilot)[1]


async def test_typed_values_are_restored(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "lora.r", "24")
        await type_into(pilot, "data.max_length", "many")
        await pilot.press("f10")
    async with form_app(home) as pilot:
        assert form_of(pilot).values.values["lora.r"] == 24
        assert row_of(pilot, "data.max_length").query_one(Input).value == "many"
        assert "1 changed" in text_of(screen_of(pilot))


async def test_a_draft_is_saved_while_typing(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "name", "half-way")
        path = draft_path(home, "training")
        await until(pilot, lambda: path.is_file() and "half-way" in path.read_text())


async def test_quitting_waits_for_a_draft_that_is_being_saved(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def save_slowly(home: Path, values: Mapping[str, Any], number: int) -> None:
        begun.set()
        may_end.wait()
        save_draft(home, values, number)

    monkeypatch.setattr("deepsynth_tui.tui.forms.drafts.save_draft", save_slowly)
    async with form_app(home) as pilot:
        await type_into(pilot, "name", "half-way")
        await until(pilot, begun.is_set)
        ending = threading.Thread(target=screen_of(pilot).save_draft)
        ending.start()
        ending.join(0.2)
        assert ending.is_alive()
        may_end.set()
        ending.join()
        assert "half-way" in draft_path(home, "training").read_text()


async def test_a_broken_draft_is_reported_and_kept_aside(home: Path) -> None:
    draft = draft_path(home, "training")
    draft.parent.mkdir(parents=True)
    draft.write_text("lora: [1, 2\n")
    async with form_app(home) as pilot:
        assert any("training.yaml.broken" in toast.message for toast in pilot.app._notifications)
        assert form_of(pilot).values.values["lora.r"] == 16
    assert draft.with_name("training.yaml.broken").read_text() == "lora: [1, 2\n"


async def test_settings_are_saved_with_comments_and_overwrite_only_when_confirmed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my-run.yaml"
    file.write_text("mine\n")
    async with form_app(home) as pilot:
        await type_into(pilot, "data.path", "owner/data")
        await pilot.press("f6")
        assert isinstance(pilot.app.screen, SaveDialog)
        await pilot.press("enter")
        await pilot.pause()
        assert file.read_text() == "mine\n"
        assert "exists. Save again" in text_of(pilot.app.screen)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SaveDialog))
        assert form_is_ready(pilot)
    text = file.read_text()
    assert "# Rank of the adapter matrices." in text
    loaded = load_file(file).config
    assert loaded.kind == "training"
    assert loaded.data.path == "owner/data"


async def test_datasets_of_ended_runs_are_offered(home: Path) -> None:
    run = create_run(home, kind="dataset", name="pages", config_text="kind: dataset\n")
    run.dataset.mkdir()
    (run.dataset / "report.json").write_text("{}")
    async with form_app(home) as pilot:
        await type_into(pilot, "data.path", str(run.dataset)[:-10])
        await until(pilot, lambda: row_of(pilot, "data.path").query_one(Input)._suggestion != "")
        await pilot.press("right")
        assert form_of(pilot).values.values["data.path"] == str(run.dataset)


async def test_builtin_text_encoders_are_offered(home: Path) -> None:
    save_draft(home, {"kind": "training", "text_encoder": {"enabled": True}})
    async with form_app(home) as pilot:
        for beginning, whole in (("b", TINY_QWEN3), ("builtin:tiny-b", TINY_BERT)):
            await type_into(pilot, "text_encoder.name_or_path", beginning)
            editor = row_of(pilot, "text_encoder.name_or_path").query_one(Input)
            await until(pilot, lambda editor=editor: editor._suggestion != "")
            await pilot.press("right")
            assert form_of(pilot).values.values["text_encoder.name_or_path"] == whole
