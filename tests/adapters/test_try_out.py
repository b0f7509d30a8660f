"""Answers of an adapter and of its base model for one document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.adapters.try_out import configuration, main
from deepsynth_tui.child_process import ChildError
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.evaluation.metrics import character_error_rate
from deepsynth_tui.workflows.try_adapter import Question, TryOut
from tests.builtin.drawn_pages import TEXTS
from tests.builtin.drawn_pages import write as write_page
from tests.training.conftest import Run

pytestmark = pytest.mark.slow

MAX_ERROR_RATE = 0.5  # character error rate; random weights exceed 1
OTHER = "Morvane Bakery\nTwo rye loaves 9.20"  # shorter than the 48 tokens of an answer


def test_the_base_reads_and_the_adapter_answers_as_trained(
    paid: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = paid.adapter
    capsys.readouterr()

    assert main([str(adapter), "--row", "1", "--json", "--tokens", "160"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert character_error_rate([TEXTS[1]], [answers["base"]]) < MAX_ERROR_RATE
    assert answers["adapter"] == answers["target"] == "paid"

    page = write_page(tmp_path, OTHER)
    assert main([str(adapter), "--image", str(page), "--instruction", "Read!"]) == 0
    stdout = capsys.readouterr().out
    assert "Read!" in stdout
    base, _, adapter_answer = stdout.partition("Base model:\n")[2].partition("With the adapter:\n")
    assert character_error_rate([OTHER], [base]) < MAX_ERROR_RATE
    assert adapter_answer.strip() == "paid"
    assert "Expected:" not in stdout

    assert main([str(adapter), "--row", "1000"]) == 1
    assert capsys.readouterr().err
    assert main([str(tmp_path / "nothing")]) == 1
    assert "adapter_config.json" in capsys.readouterr().err


def test_a_whole_model_is_compared_with_its_base(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(lora__enabled=False, training__max_steps=12)
    folder = str(ran.run.path / "model")
    capsys.readouterr()
    assert main([folder, "--json", "--tokens", "3"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert answers["adapter"] != answers["base"]
    assert answers["base_is_cut"]
    assert main([folder, "--tokens", "3"]) == 0
    stdout = capsys.readouterr().out
    assert "Base model (cut after 3 tokens):" in stdout
    assert "Fine-tuned model" in stdout


def test_a_foreign_adapter_names_its_base(tmp_path: Path) -> None:
    stated = {"base_model_name_or_path": "org/base", "revision": "abc"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(stated))
    model = configuration(tmp_path).model
    assert (model.name_or_path, model.revision) == ("org/base", "abc")


def test_models_stay_loaded_and_answers_are_streamed(
    paid: RunDirectory, home: Path, tmp_path: Path
) -> None:
    parts: list[dict[str, Any]] = []
    out = TryOut(home, [str(paid.adapter)])
    try:
        answers = out.ask(Question("", OTHER, None, 40), parts.append)
        base, adapter = answers
        assert (base["name"], adapter["name"]) == ("base", str(paid.adapter))
        assert parts[0]["pages"]
        assert "drawn on a page with the default settings" in parts[0]["remark"]
        assert sum("loading" in part for part in parts) == 1

        parts.clear()
        page = write_page(tmp_path, OTHER)
        base, adapter = out.ask(Question(str(page), "", None, 40), parts.append)
        assert adapter["answer"] == "paid"
        assert character_error_rate([OTHER], [base["answer"]]) < MAX_ERROR_RATE
        grown = [part["text"] for part in parts if part.get("name") == "base"]
        assert len(grown) > 5
        assert grown[-1].startswith(base["answer"])
        assert not any("loading" in part for part in parts), "the models are loaded"

        def stop(part: dict[str, Any]) -> None:
            if "text" in part:
                out.stop()

        (stopped,) = out.ask(Question(str(page), "", None, 40), stop)
        assert stopped["is_stopped"]
        assert len(stopped["answer"]) < len(base["answer"])
        with pytest.raises(ChildError, match=r"nothing\.png"):
            out.ask(Question(str(tmp_path / "nothing.png"), "", None, 40), parts.append)
    finally:
        out.close()
