"""The Training screen: fit panel, drafts, saving, datasets of ended runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.training import DEFAULT_MODEL
from deepsynth_tui.runs.directory import create
from deepsynth_tui.tui.forms.drafts import draft_path
from deepsynth_tui.tui.screens.save import SaveDialog
from deepsynth_tui.tui.widgets.fit_panel import FitPanel
from tests.pilot.forms import (
    form_app,
    form_is_there,
    form_of,
    known_model,
    row_of,
    screen_of,
    start_bar,
    type_into,
)
from tests.pilot.screen_host import text_of, until


@pytest.fixture(autouse=True)
def _model(home: Path) -> None:
    known_model()


async def test_the_fit_panel_follows_every_change(home: Path) -> None:
    async with form_app(home, size=(120, 60)) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await until(pilot, lambda: panel.estimate is not None)
        before = panel.estimate
        assert before is not None
        # r 16 on 2 x 4 square projections of 512
        assert before.trainable_params == 8 * 16 * 1024
        await form_of(pilot).focus_field("lora.r")
        await pilot.press("right")
        await until(pilot, lambda: panel.estimate != before)
        assert panel.estimate is not None
        assert panel.estimate.trainable_params == 8 * 32 * 1024
        text = text_of(screen_of(pilot))
        assert "262 k of" in text
        assert "✓ fits  T4 (16GB)" in text
        assert "calculated, not measured" in text


async def test_a_narrow_terminal_keeps_the_verdict_on_one_line(home: Path) -> None:
    async with form_app(home, size=(80, 24)) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await until(pilot, lambda: panel.estimate is not None)
        await pilot.pause()
        assert panel.size.height == 1
        assert "GPU memory · ✓ fits" in text_of(screen_of(pilot))


async def test_a_model_that_cannot_be_read_is_said_with_the_way_out(home: Path) -> None:
    async with form_app(home) as pilot:
        panel = pilot.app.screen.query_one(FitPanel)
        await type_into(pilot, "model.name_or_path", "no/such-model")
        assert "Reading the layout of no/such-model" in panel.state
        await until(pilot, lambda: panel.advice != "")
        assert panel.estimate is None
        assert "no/such-model" in text_of(screen_of(pilot))
        await type_into(pilot, "model.name_or_path", DEFAULT_MODEL)
        await until(pilot, lambda: panel.estimate is not None)


async def test_a_missing_dataset_is_found_and_said_beside_its_field(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "data.path", str(home / "nowhere"))
        can_start, said = start_bar(pilot)
        assert (can_start, said) == (False, "… checking the files")
        await until(pilot, lambda: row_of(pilot, "data.path").problem != "")
        assert not start_bar(pilot)[0]
        assert "problems" in start_bar(pilot)[1]


async def test_what_was_typed_is_there_next_time(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "lora.r", "24")
        await type_into(pilot, "data.max_length", "many")
        await pilot.press("f10")
    async with form_app(home) as pilot:
        assert form_of(pilot).values.values["lora.r"] == 24
        assert row_of(pilot, "data.max_length").query_one(Input).value == "many"
        assert "1 changed" in text_of(screen_of(pilot))


async def test_a_draft_is_saved_while_one_types(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "name", "half-way")
        await until(pilot, lambda: draft_path(home, "training").is_file())
        assert "half-way" in draft_path(home, "training").read_text()


async def test_a_broken_draft_is_reported_and_kept_aside(home: Path) -> None:
    draft = draft_path(home, "training")
    draft.parent.mkdir(parents=True)
    draft.write_text("lora: [1, 2\n")
    async with form_app(home) as pilot:
        assert any("training.yaml.broken" in toast.message for toast in pilot.app._notifications)
        assert form_of(pilot).values.values["lora.r"] == 16
    assert draft.with_name("training.yaml.broken").read_text() == "lora: [1, 2\n"


async def test_settings_are_saved_with_comments_and_replace_nothing_unasked(
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
        assert "is there already" in text_of(pilot.app.screen)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SaveDialog))
        assert form_is_there(pilot)
    text = file.read_text()
    assert "# Rank: width of the two adapter matrices." in text
    loaded = load_file(file).config
    assert loaded.kind == "training"
    assert loaded.data.path == "owner/data"


async def test_datasets_of_ended_runs_are_offered(home: Path) -> None:
    run = create(home, kind="dataset", name="pages", config_text="kind: dataset\n")
    run.dataset.mkdir()
    (run.dataset / "report.json").write_text("{}")
    async with form_app(home) as pilot:
        await type_into(pilot, "data.path", str(run.dataset)[:-10])
        await until(pilot, lambda: row_of(pilot, "data.path").query_one(Input)._suggestion != "")
        await pilot.press("right")
        assert form_of(pilot).values.values["data.path"] == str(run.dataset)
