"""Runs compared: what differs, what is best, and the same in a table, CSV, JSON and a page."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, create_run
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.workflows.comparison.chart import Line, chart_svg, smoothed
from deepsynth_tui.workflows.comparison.compare import CannotCompare, Comparison, compare_runs
from deepsynth_tui.workflows.comparison.csv_table import comparison_csv
from deepsynth_tui.workflows.comparison.page import comparison_page
from deepsynth_tui.workflows.comparison.text import comparison_lines
from tests.pilot.adapters import adapter_run, take_exam

HOSTILE = "=1+1 \"<script src=//x.y/z.js>&'\x1b[31m\u202e"
A100 = "NVIDIA A100-SXM4-80GB"


def make(home: Path, name: str, rate: float, losses: list[float], **more) -> RunDirectory:
    settings = {
        "kind": "training",
        "name": "any",
        "model": {"name_or_path": "builtin:tiny-vlm"},
        "data": {"path": "pages", **more},
        "training": {"learning_rate": rate, "num_processes": 2},
    }
    run = create_run(home, kind="training", name=name, config_text=json.dumps(settings))
    with EventLog(run.events) as log:
        log.write("phase", name="starting", detail="")
        log.write("estimate", allocated=2**30, device=2**31, seconds_per_step=None, gpu=A100)
        log.write("phase", name="training", detail="")
        for step, loss in enumerate(losses, start=1):
            log.write("progress", done=step, total=len(losses), unit="steps")
            log.write("metric", step=step, loss=loss, tokens=100)
        log.write("metric", step=len(losses), eval_loss=losses[-1] + 1, eval_cer=losses[-1] / 10)
        log.write("measured", allocated=2**29, device=2**30, host=5, seconds_per_step=0.5, steps=3)
        log.write("done", verdict="completed")
    return run


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two finished runs; the name and the instruction of the second are hostile."""
    home = tmp_path_factory.mktemp("home")
    first = make(home, "first", 1e-3, [3.0, 2.0, 0.5])
    second = make(home, HOSTILE, 2e-3, [3.0, 2.5, 1.0], instruction=HOSTILE)
    return compare_runs([first, second, first])


def test_only_settings_that_differ_are_shown(compared: Comparison):
    assert dict(compared.differing) == {
        "data.instruction": (None, HOSTILE),
        "training.learning_rate": (1e-3, 2e-3),
    }
    assert compared.equal > 50


def test_figures_of_a_run_and_the_best_of_each(compared: Comparison):
    first = compared.runs[0].figures
    assert (first["loss"], first["eval_loss"], first["best_eval_step"]) == (0.5, 1.5, 3)
    assert (first["predicted_allocated_bytes"], first["measured_device_bytes"]) == (2**30, 2**30)
    assert (first["tokens"], first["steps"]) == (300, 3)
    assert first["cost_usd"] == pytest.approx(first["run_seconds"] / 3600 * 1.71 * 2)
    assert any("2 x A100 (80GB) at $1.71/h" in note for note in compared.notes)
    assert compared.best("loss") == {0}
    assert compared.best("tokens") == frozenset()
    assert compared.best("measured_device_bytes") == frozenset()


def test_the_table_on_a_terminal(compared: Comparison):
    lines = list(comparison_lines(compared))
    (loss,) = [line for line in lines if line.startswith("loss, last")]
    assert loss.split() == ["loss,", "last", "0.5", "*", "1"]
    (rate,) = [line for line in lines if line.startswith("training.learning_rate")]
    assert rate.split()[1:] == ["0.001", "0.002"]
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def test_csv_has_numbers_and_no_formula(compared: Comparison):
    first, second = csv.DictReader(io.StringIO(comparison_csv(compared)))
    assert float(first["loss"]) == 0.5
    assert int(first["tokens"]) == 300
    assert float(second["training.learning_rate"]) == 2e-3
    assert first["data.instruction"] == ""
    assert second["name"].startswith("'=1+1")


def test_json_has_every_point(compared: Comparison):
    content = json.loads(json.dumps(compared.to_json()))
    curve = content["runs"][0]["curves"]["loss"]
    assert (curve["step"], curve["value"], curve["tokens"]) == (
        [1, 2, 3],
        [3.0, 2.0, 0.5],
        [100, 200, 300],
    )
    assert content["differing_settings"]["training.learning_rate"] == [1e-3, 2e-3]


class Page(HTMLParser):
    """The elements of a page, the texts in them, and what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_loads_nothing_and_escapes_everything(compared: Comparison):
    text = comparison_page(compared)
    page = Page(text)
    assert not page.open
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(page.tags)
    assert not {"src", "href", "onload", "onerror", "style"} & {name for name, _ in page.attributes}
    assert not re.search(r"url\(|@import|https?:", text)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert any("<script src=//x.y/z.js>" in shown for shown in page.texts)
    assert page.tags.count("svg") > 18


def test_every_view_of_a_chart_is_in_the_page(compared: Comparison):
    views = set(re.findall(r'class="view ([^"]+)"', comparison_page(compared)))
    assert len(views) == 3 * 2 * 3
    assert "tokens log smooth-90" in views


def test_runs_without_curves_or_settings_are_still_compared(home: Path):
    runs = [create_run(home, kind="dataset", name=name, config_text="x: [") for name in "ab"]
    compared = compare_runs(runs)
    assert len([note for note in compared.notes if "cannot be read" in note]) == 2
    assert "Curves" not in comparison_page(compared)
    assert any("settings" in line for line in comparison_lines(compared))


def test_runs_of_one_name_go_by_their_ids(home: Path):
    runs = [create_run(home, kind="dataset", name="a", config_text="") for _ in range(2)]
    assert compare_runs(runs).labels() == [run.id for run in runs]


def test_scores_are_those_of_the_exam_that_most_runs_took(home: Path, tmp_path: Path):
    runs = [adapter_run(home, name, used=used) for name, used in (("a", 6), ("b", 5), ("c", 4))]
    folder, _ = take_exam(home, tmp_path, runs[:2])
    comparison = compare_runs(runs)
    scores = [run.figures.get("exam_exact_match") for run in comparison.runs]
    assert scores == [0.25, 0.5, None]
    assert comparison.best("exam_exact_match") == {1}
    text = "\n".join(comparison_lines(comparison))
    assert re.search(r"exam: exact match +25\.0 % +50\.0 % \* +–", text), text
    assert f"exam: 4 rows of {tmp_path / 'pages'} train, in {folder.path}" in text
    table = list(csv.DictReader(io.StringIO(comparison_csv(comparison))))
    assert [row["exam_exact_match"] for row in table] == ["0.25", "0.5", ""]
    assert "exam: exact match" in comparison_page(comparison)


def test_what_cannot_be_compared_is_refused(home: Path, compared: Comparison):
    first = compared.runs[0].run
    with pytest.raises(CannotCompare, match="One run"):
        compare_runs([first, first])
    with pytest.raises(CannotCompare, match="different kinds"):
        compare_runs([first, create_run(home, kind="dataset", name="d", config_text="")])
    with pytest.raises(RunNotFound):
        compare_runs([first, RunDirectory("gone", home / "runs" / "gone")])


def test_smoothing_starts_at_the_first_value():
    points = [(0, 4.0), (1, 2.0), (2, 2.0)]
    assert smoothed(points, 0.0) == points
    averaged = smoothed(points, 0.5)
    assert averaged[0] == (0, 4.0)
    assert averaged[1][1] == pytest.approx(4 * 1 / 3 + 2 * 2 / 3)


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize(
    "points", [[(1, 2.0)], [(1, 2.0), (2, 2.0)], [(1, -1.0), (2, 1e30)], [(3, 1e-300), (5, 1e300)]]
)
def test_charts_of_unusual_values(points, is_log: bool):
    svg = chart_svg([Line(30, points)], title="t", x_label="x", smoothing=0.6, is_log=is_log)
    assert svg is not None
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_chart_without_a_place_for_any_value():
    line = Line(0, [(1, 0.0), (2, -3.0)])
    assert chart_svg([line], title="t", x_label="x", smoothing=0, is_log=True) is None
    assert chart_svg([], title="t", x_label="x", smoothing=0, is_log=False) is None
