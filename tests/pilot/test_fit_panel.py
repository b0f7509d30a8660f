"""The fit panel: what it says of an estimate, and when it paints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import ComposeResult
from textual.screen import Screen

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.report import fit_report
from deepsynth_tui.machine.gpu_catalogue import GIB, catalogue
from deepsynth_tui.machine.nvml import Device, Probe, Process
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.tui.fit.figures import money, moved, number, percent, size, span
from deepsynth_tui.tui.fit.memory_bar import MARKS, bar, shares
from deepsynth_tui.tui.fit.panel import FitPanel
from deepsynth_tui.tui.fit.selected_gpu import HEIGHT, choice
from deepsynth_tui.tui.fit.text import RANKS, column, cross_check, headline, verdict
from deepsynth_tui.tui.fit.view import FitView
from tests.pilot.forms import cache_model_layout
from tests.pilot.screen_host import ScreenHost, text_of, until

CARD = Device(
    index=0,
    name="NVIDIA A100-SXM4-40GB",
    uuid="GPU-1",
    total=40 * GIB,
    free=3 * GIB,
    used=37 * GIB,
    temperature=61,
    utilisation=97,
    processes=(Process(10, 30 * GIB), Process(11, None)),
)
NOTHING_HERE = Probe((), "No NVIDIA driver answers: none.")


@pytest.fixture
def grounds(home: Path) -> EstimateInputs:
    return EstimateInputs(cache_model_layout(), gpus=catalogue())


def config_of(rows: int = 1, r: int = 16) -> TrainingConfig:
    settings = {"lora": {"r": r}, "training": {"per_device_train_batch_size": rows}}
    return TrainingConfig.model_validate(settings)


def view_of(grounds: EstimateInputs, config: TrainingConfig, **other: Any) -> FitView:
    """The view after its answer has come; `before` is a configuration."""
    probe, before = other.pop("probe", None), other.pop("before", None)
    return FitView(
        grounds.estimate(config),
        config.lora.r,
        grounds.dataset,
        before=grounds.estimate(before) if before else None,
        answer=fit_report(config, grounds, probe.devices if probe else ()),
        probe=probe,
        **other,
    )


def text(view: FitView, width: int = 51) -> list[str]:
    return [line.plain for line in column(view, width).lines]


# Figures


def test_a_figure_that_moved_says_how_far_and_one_that_stayed_nothing() -> None:
    assert moved(3 * GIB, GIB, size).plain == "▲ +2.0 GB"
    assert moved(GIB, GIB + 30 * 2**20, size).plain == "▼ -30 MB"
    assert moved(GIB, GIB, size).plain == ""
    assert moved(GIB, None, size).plain == "", "the first figure is no change"


def test_figures_have_as_many_digits_as_say_something() -> None:
    assert [number(value) for value in (0.01, 0.34, 9.94, 9.96, 123.4)] == [
        "< 0.1",
        "0.3",
        "9.9",
        "10",
        "123",
    ]
    assert (span(1.0, 2.0), span(4.01, 4.04)) == ("1.0–2.0", "4.0")
    assert (money(0.5), money(12.4)) == ("$0.50", "$12")
    assert (percent(0.631), percent(0.001), percent(0)) == ("63 %", "< 1 %", "0 %")


# The bar


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.integers(1, 200))
def test_the_bar_is_full_and_each_item_has_its_share_to_within_a_cell(
    sizes: list[int], width: int
) -> None:
    cells = shares(sizes, width)
    assert sum(cells) == (width if sum(sizes) else 0)
    for count, taken in zip(cells, sizes, strict=True):
        assert abs(count - width * taken / max(sum(sizes), 1)) <= 1


def test_items_are_told_apart_without_colour(grounds: EstimateInputs) -> None:
    assert len({sign for sign, _ in MARKS.values()}) == len(MARKS)
    estimate = grounds.estimate(config_of(rows=8))
    assert len(bar(estimate, 51).plain) == 51
    largest = max(estimate.breakdown.items(), key=lambda item: item[1])[0]
    assert (
        max(set(bar(estimate, 51).plain), key=bar(estimate, 51).plain.count) == (MARKS[largest][0])
    )


# Marks of change


def test_every_figure_that_moved_is_marked(grounds: EstimateInputs) -> None:
    view = view_of(grounds, config_of(rows=4), before=config_of())
    assert view.before is not None
    more = size(view.computed.needed - view.before.needed)
    assert f"▲ +{more}" in headline(view).plain
    assert f"▲ +{more}" in verdict(view).plain
    lines = text(view)
    logits = next(line for line in lines if "logits" in line)
    assert "▲" in logits
    weights = next(line for line in lines if "weights" in line)
    assert "▲" not in weights
    assert "▼" in choice(view, 51, "a")[1].plain, "of the room on the GPU that is looked at"


def test_marks_move_no_line(grounds: EstimateInputs) -> None:
    marked = view_of(grounds, config_of(rows=4), before=config_of())
    assert column(marked, 51).places == column(replace(marked, before=None), 51).places


# GPUs


def test_each_gpu_has_sign_word_room_speed_batch_and_cost(grounds: EstimateInputs) -> None:
    config = config_of(rows=32).model_copy(
        update={"training": config_of(rows=32).training.model_copy(update={"max_steps": 100})}
    )
    view = view_of(grounds, config)
    lines = text(view)
    head = next(line for line in lines if "s/step" in line)
    assert head.split()[-4:] == ["room", "s/step", "batch", "cost"]
    on = {row.gpu.name: row for row in view.computed.gpus}
    for name in ("T4 (16GB)", "A100 (80GB)"):
        line = next(line for line in lines if name in line)
        assert f"{ {'fits': '✓', 'tight': '~', 'no': '✗'}[on[name].fit] } {on[name].fit}" in line
        assert f"{on[name].headroom / GIB:+.1f}" in line
        assert span(*on[name].seconds_range) in line
        assert "$" in line
        place = next(place for place in view.answer.gpu_fits if place.name == name)  # pyright: ignore[reportOptionalMemberAccess]
        assert line.split()[-2] == str(place.batch)


@pytest.mark.parametrize("width", [37, 41, 51, 72])
def test_no_figure_is_cut_off_at_any_width(grounds: EstimateInputs, width: int) -> None:
    view = view_of(grounds, config_of(rows=32), before=config_of(), probe=NOTHING_HERE)
    matrix = [line for line in text(view, width) if "GB)" in line]
    assert len(matrix) == len(grounds.gpus)
    assert max(len(line) for line in matrix) <= width


def test_the_gpus_of_this_machine_come_first_with_what_is_free_of_them_now(
    grounds: EstimateInputs,
) -> None:
    view = view_of(grounds, config_of(rows=32), probe=Probe((CARD,)))
    first = view.rows[0]
    assert first.room == CARD.free
    assert first.on is not None
    assert first.on.gpu.name == "A100 (40GB)"
    assert view.row == first, "it is the one that is looked at"
    lines = text(view)
    at = next(place for place, line in enumerate(lines) if "0: A100 (40GB)" in line)
    assert "✗ no" in lines[at]
    assert lines[at + 1].strip() == "now 3.0 of 40.0 GB free, 2 processes, 97 %, 61 °C"
    assert len(lines[at + 1]) <= 51


def test_a_slice_is_no_card_of_the_catalogue(grounds: EstimateInputs) -> None:
    piece = replace(CARD, slice_of=0, name=f"{CARD.name} MIG 1g.5gb", total=5 * GIB)
    view = view_of(grounds, config_of(), probe=Probe((piece,)))
    assert view.rows[0].name.startswith("GPU 0.0")
    assert view.rows[0].on is None
    line = next(line for line in text(view) if "0.0: A100" in line)
    assert "…" in line, "the long name is cut, the figures beside it are not"
    assert len(line) <= 51
    assert "Speed not known" in choice(view, 51, "a")[2].plain


def test_no_gpu_is_said_with_the_reason(grounds: EstimateInputs) -> None:
    lines = text(view_of(grounds, config_of(), probe=NOTHING_HERE))
    assert any("No GPU here: No NVIDIA driver answers" in line for line in lines)


# The GPU that is looked at


def test_the_first_gpu_without_room_is_looked_at_and_told_what_would_help(
    grounds: EstimateInputs,
) -> None:
    view = view_of(grounds, config_of(rows=64))
    assert view.row is not None
    assert view.place is not None
    assert view.row.fit.value == "no"
    said = "\n".join(line.plain for line in choice(view, 60, "a"))
    assert "does not fit" in said
    assert f"largest batch {view.place.batch}" in said
    assert view.place.remedy is not None
    assert view.place.remedy.words.split()[0] in said
    assert "\na " in said, "the key that makes the change"


def test_an_answer_of_the_form_before_is_not_shown_as_one_of_this(grounds: EstimateInputs) -> None:
    view = replace(view_of(grounds, config_of(rows=64)), fresh=False)
    said = "\n".join(line.plain for line in choice(view, 60, "a"))
    assert "largest batch …" in said
    assert "Looking for what would make it fit" in said


@pytest.mark.parametrize("rows", [1, 64])
def test_the_foot_has_always_as_many_lines(grounds: EstimateInputs, rows: int) -> None:
    for name in ("T4 (16GB)", "B200 (180GB)"):
        view = view_of(grounds, config_of(rows=rows), chosen=name)
        assert view.row is not None
        assert view.row.name == name
        assert len(choice(view, 51, "a")) == HEIGHT


# Ranks


def test_all_ranks_stand_side_by_side_with_the_present_one_marked(grounds: EstimateInputs) -> None:
    shown = column(view_of(grounds, config_of(r=32)), 51)
    table = [line.plain for line in shown.lines[shown.places[RANKS] :]]
    assert [line.split()[0].lstrip("▸") or line.split()[1] for line in table[1:]] == [
        "4",
        "8",
        "16",
        "32",
        "64",
        "128",
    ]
    assert [line for line in table if line.startswith("▸")] == [table[4]]
    assert "262 k" in table[4], "r 32 on 2 x 4 square projections of 512"


# Sources


def test_a_simulation_and_a_measurement_stand_beside_the_computation(
    grounds: EstimateInputs,
) -> None:
    view = view_of(grounds, config_of())
    assert "computed" in headline(view).plain
    assert cross_check(view, "s").plain == "s simulates a step to check it"
    peak = view.computed.peak_allocated
    simulated = replace(view.computed, source="simulated", peak_allocated=round(1.1 * peak))
    run = measured_runs.Record(
        when=0.0,
        gpu="A",
        kind="",
        driver="1",
        torch="2",
        transformers="5",
        model="m",
        settings="x",
        longest=1,
        ran_out=False,
        predicted=Predicted(1, 1),
        measured=Measured(allocated=round(0.95 * peak), steps=3),
    )
    assert view.answer is not None
    both = replace(view, simulated=simulated, answer=replace(view.answer, measured=run))
    assert "simulated" in headline(both).plain
    said = cross_check(both, "s").plain
    assert "simulated" in said
    assert "(+10.0 %)" in said
    assert "measured" in said
    assert "(-5.0 %)" in said


# The widget


class PanelScreen(Screen[None]):
    def compose(self) -> ComposeResult:
        yield FitPanel(id="panel")


async def test_what_is_unchanged_is_not_painted_again(home: Path, grounds: EstimateInputs) -> None:
    view = view_of(grounds, config_of())
    assert view.answer is not None
    app = ScreenHost(home, PanelScreen)
    async with app.run_test(size=(60, 60)) as pilot:
        await until(pilot, lambda: len(app.screen.query(FitPanel)) > 0)
        panel = app.screen.query_one(FitPanel)
        panel.show(view)
        panel.show_answer(view.answer)
        panel.show_probe(Probe((CARD,)))
        await until(pilot, lambda: "61 °C" in text_of(app.screen))
        await pilot.pause()
        before = app.painted
        panel.show_probe(Probe((replace(CARD, power=200.0),)))
        panel.show_answer(replace(view.answer))
        await pilot.pause()
        assert app.painted == before
        panel.show_probe(Probe((replace(CARD, temperature=62),)))
        await until(pilot, lambda: "62 °C" in text_of(app.screen))
        assert app.painted > before


async def test_arrows_look_at_one_gpu_after_the_other(home: Path, grounds: EstimateInputs) -> None:
    app = ScreenHost(home, PanelScreen)
    async with app.run_test(size=(60, 24)) as pilot:
        await until(pilot, lambda: len(app.screen.query(FitPanel)) > 0)
        panel = app.screen.query_one(FitPanel)
        panel.show(view_of(grounds, config_of()))
        panel.focus()
        await pilot.press(*["down"] * (len(grounds.gpus) + 3))
        assert panel.row is not None
        assert panel.row.name == grounds.gpus[-1].name
        await until(pilot, lambda: "▸✓ fits  B200 (180GB)" in text_of(app.screen))
        await pilot.press(*["up"] * (len(grounds.gpus) + 3))
        assert panel.row.name == grounds.gpus[0].name
        await until(pilot, lambda: panel.scroll_y == 0)
