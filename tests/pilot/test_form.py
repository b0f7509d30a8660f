"""Forms: rows, sections, keys, problems and help."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Switch
from textual.widgets.collapsible import CollapsibleTitle

from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.kinds import CONFIG_TYPES, RunKind
from deepsynth_tui.tui.forms.essential import essential_keys
from deepsynth_tui.tui.forms.values import PRESET_KEY
from deepsynth_tui.tui.widgets.field_row import FieldRow
from deepsynth_tui.tui.widgets.field_select import FieldSelect
from deepsynth_tui.tui.widgets.section import AdvancedFields, Section
from tests.pilot.forms import (
    cache_model_layout,
    form_app,
    form_of,
    help_line,
    row_of,
    screen_of,
    start_bar,
    type_into,
)
from tests.pilot.screen_host import text_of, until


@pytest.fixture(autouse=True)
def _model(home: Path) -> None:
    cache_model_layout()


@pytest.mark.parametrize("kind", ["training", "dataset"])
async def test_every_declared_field_has_a_row_with_the_editor_of_its_kind(
    home: Path, kind: RunKind
) -> None:
    async with form_app(home, kind) as pilot:
        form = form_of(pilot)
        for key in fields_by_key(CONFIG_TYPES[kind]):
            await form.focus_field(key)
        rows = {row.spec.key: row for row in form.query(FieldRow)}
        shown = {
            key for key, field in fields_by_key(CONFIG_TYPES[kind]).items() if not field.yaml_only
        }
        assert {key for key in rows if not key.startswith("preset.")} == shown - {PRESET_KEY}
        editors = {"bool": Switch, "choice": FieldSelect}
        for key, row in rows.items():
            assert isinstance(row.editor, editors.get(row.spec.kind, Input)), key


async def test_sections_are_closed_and_build_their_rows_when_opened(home: Path) -> None:
    async with form_app(home) as pilot:
        assert all(section.collapsed for section in form_of(pilot).query(Section))
        built = [row.spec.key for row in form_of(pilot).query(FieldRow)]
        assert built == list(essential_keys("training"))
        assert "QLoRA · off" in text_of(screen_of(pilot))
        assert "LoRA · r 16 alpha 32" in text_of(screen_of(pilot))


async def test_options_appear_when_a_switch_above_is_turned_on(home: Path) -> None:
    async with form_app(home) as pilot:
        form = form_of(pilot)
        assert not row_of(pilot, "quantization.bits").visible
        form.query_one("#section-quantization", Section).query_one("CollapsibleTitle").focus()
        await pilot.press("enter")
        await until(pilot, lambda: "Off: turn on Quantize above." in text_of(screen_of(pilot)))
        await form.focus_field("quantization.enabled")
        await pilot.press("space")
        await until(pilot, lambda: row_of(pilot, "quantization.bits").visible)
        assert row_of(pilot, "quantization.quant_type").display
        assert "Off: turn on" not in text_of(screen_of(pilot))


@pytest.mark.parametrize("key", ["text_encoder"])
async def test_options_appear_when_their_section_is_turned_on(home: Path, key: str) -> None:
    async with form_app(home) as pilot:
        form = form_of(pilot)
        form.query_one(f"#section-{key}", Section).query_one("CollapsibleTitle").focus()
        await pilot.press("enter", "tab")
        rows = form.query(f"#section-{key} FieldRow").results(FieldRow)
        assert [row.spec.name for row in rows if row.display] == ["enabled"]
        await pilot.press("space")
        await pilot.pause()
        shown = form.query(f"#section-{key} FieldRow").results(FieldRow)
        assert len([row for row in shown if row.display]) > 3
        assert form.values.values[f"{key}.enabled"] is True


async def test_left_and_right_step_through_suggested_values(home: Path) -> None:
    async with form_app(home) as pilot:
        await form_of(pilot).focus_field("lora.r")
        await pilot.press("right")
        assert form_of(pilot).values.values["lora.r"] == 32
        await pilot.press("right", "right", "right", "left")
        assert form_of(pilot).values.values["lora.r"] == 64
        await form_of(pilot).focus_field("model.dtype")
        await pilot.press("right")
        assert form_of(pilot).values.values["model.dtype"] == "float16"
        await form_of(pilot).focus_field("model.freeze_projector")
        await pilot.press("left")
        assert form_of(pilot).values.values["model.freeze_projector"] is False


async def test_left_and_right_move_the_cursor_while_a_number_is_edited(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "data.max_length", "300")
        await pilot.press("left", "left", "1")
        assert form_of(pilot).values.values["data.max_length"] == 3100


async def test_a_value_between_suggestions_steps_to_the_next(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "lora.r", "20")
        await pilot.press("home", "shift+end", "right")
        assert form_of(pilot).values.values["lora.r"] == 32


async def test_problems_are_beside_their_fields_and_block_start(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "data.max_length", "many")
        await type_into(pilot, "training.learning_rate", "-1")
        await pilot.pause()
        assert "whole number" in row_of(pilot, "data.max_length").problem
        assert "must be a whole number" in text_of(screen_of(pilot))
        can_start, reason = start_bar(pilot)
        assert not can_start
        assert "problems" in reason
        assert "data.max_length" in reason
        assert row_of(pilot, "data.path").problem == "no dataset chosen"
        await form_of(pilot).focus_field("data.path")
        await pilot.pause()
        assert "no dataset chosen: the folder" in help_line(pilot), "with the solution"


async def test_the_title_of_a_closed_section_counts_its_problems(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "lora.lora_dropout", "2")
        form_of(pilot).query_one("#section-lora", Section).collapsed = True
        await pilot.pause()
        assert "✗ 1 problem" in text_of(screen_of(pilot))


async def test_start_focuses_the_first_problem(home: Path) -> None:
    async with form_app(home) as pilot:
        await pilot.press("f5")
        await pilot.pause()
        row = screen_of(pilot).focused_row
        assert row is not None
        assert row.spec.key == "data.path"
        assert not (home / "runs").exists()


async def test_a_preset_fills_its_sections_and_shows_a_toast(home: Path) -> None:
    async with form_app(home) as pilot:
        await form_of(pilot).focus_field("lora.use_dora")
        await pilot.press("space")
        row = row_of(pilot, "preset.lora")
        row.editor.focus()
        await pilot.press("right", "right")
        values = form_of(pilot).values.values
        assert (values["lora.r"], values["quantization.enabled"]) == (16, True)
        assert (values["quantization.bits"], values["quantization.quant_type"]) == (4, "nf4")
        assert values["lora.use_dora"] is False, (
            "fields that a preset does not name get their defaults"
        )
        toasts = [toast.message for toast in pilot.app._notifications]
        assert any("QLoRA" in toast for toast in toasts)
        qlora = form_of(pilot).query_one("#section-quantization CollapsibleTitle", CollapsibleTitle)
        assert "QLoRA · 4-bit" in str(qlora.label)


async def test_titles_count_changes_and_f7_and_f8_reset_them(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "lora.r", "8")
        await type_into(pilot, "lora.lora_alpha", "8")
        await pilot.pause()
        assert "LoRA · r 8 alpha 8 · 2 changed" in text_of(screen_of(pilot))
        assert row_of(pilot, "lora.r").changed
        await pilot.press("f7")
        await pilot.pause()
        assert "LoRA · r 8 alpha 16 · 1 changed" in text_of(screen_of(pilot)), "it follows again"
        await pilot.press("shift+f7")
        await pilot.pause()
        assert "LoRA · r 16 alpha 32" in text_of(screen_of(pilot))
        assert "changed" not in text_of(screen_of(pilot))
        assert row_of(pilot, "lora.r").query_one(Input).value == "16"


async def test_advanced_fields_are_collapsed_until_focused(home: Path) -> None:
    async with form_app(home) as pilot:
        await form_of(pilot).focus_field("data.instruction")
        more = form_of(pilot).query_one("#section-data", Section).query_one(AdvancedFields)
        assert more.collapsed
        await until(pilot, lambda: "more" in text_of(screen_of(pilot)))
        await form_of(pilot).focus_field("data.split")
        await until(pilot, lambda: not more.collapsed)
        row = screen_of(pilot).focused_row
        assert row is not None
        assert row.spec.key == "data.split"


async def test_the_help_line_explains_the_focused_field(home: Path) -> None:
    async with form_app(home) as pilot:
        await form_of(pilot).focus_field("lora.lora_dropout")
        await pilot.pause()
        help_text = help_line(pilot)
        field = fields_by_key(CONFIG_TYPES["training"])["lora.lora_dropout"]
        assert field.help in help_text
        assert field.range_text in help_text
        assert "default 0.05" in help_text
        await form_of(pilot).focus_field("data.max_length")
        await pilot.pause()
        assert "tokens" in help_line(pilot)


@pytest.mark.parametrize(("kind", "size"), [("training", (80, 24)), ("dataset", (120, 36))])
async def test_tab_and_shift_tab_focus_every_field_and_return(
    home: Path, kind: RunKind, size: tuple[int, int]
) -> None:
    async with form_app(home, kind, size) as pilot:
        start = pilot.app.focused
        expected = len(pilot.app.screen.focus_chain)
        for key in ("tab", "shift+tab"):
            focused = [pilot.app.focused]
            for _ in range(expected):
                await pilot.press(key)
                focused.append(pilot.app.focused)
            assert focused[-1] is start
            assert len(set(focused)) == expected
