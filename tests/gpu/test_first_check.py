"""The first check on a GPU, as far as a CPU can tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.gpu.first_check.__main__ import GROUPS, MINUTES, main
from tests.gpu.first_check.report import RESULTS, Report


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_has_its_function(name: str):
    assert callable(GROUPS[name].load())


def test_most_groups_fit_the_time_limit_one_after_the_other():
    """The last ones run if the first take less than they may."""
    seconds = [group.seconds for group in GROUPS.values()]
    assert sum(seconds[:6]) <= 60 * MINUTES + 60


@pytest.mark.skipif(torch.cuda.is_available(), reason="says PASS on a GPU")
def test_nothing_passes_without_a_gpu(tmp_path: Path):
    report = Report(tmp_path)
    report.line("a loss", True, cpu=1.25)
    with report.check("a crash"):
        raise ValueError("no such kernel\nmore")
    lines = [json.loads(line) for line in (tmp_path / RESULTS).read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["TRIED", "FAIL"]
    assert lines[1]["reason"] == "no such kernel"
    assert report.failed


def test_an_unknown_group_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["first_check", "kernel"])
    with pytest.raises(SystemExit):
        main()
    assert "unknown groups: kernel" in capsys.readouterr().err
