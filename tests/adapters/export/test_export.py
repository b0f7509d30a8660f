"""Exports answer as the adapter did, in a process that knows nothing of this program."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from peft import PeftModel
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from deepsynth_tui.adapters.export.proof import Proof, prove
from deepsynth_tui.adapters.find import find_adapter
from deepsynth_tui.adapters.loaded import collator_of
from deepsynth_tui.adapters.pages import open_pages
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.builtin import TINY_VLM, locate
from deepsynth_tui.cli import app
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectory
from tests.builtin.drawn_pages import TEXTS
from tests.builtin.drawn_pages import write as write_page

pytestmark = pytest.mark.slow

# Fails if the code of the export imports this package.
CLEAN = (
    "import runpy, sys; sys.modules['deepsynth_tui'] = None; sys.argv = sys.argv[1:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def command(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", *arguments])
    return result.exit_code, result.stdout, result.stderr


def infer(folder: Path, page: Path, *arguments: str) -> str:
    script = [sys.executable, "-I", "-c", CLEAN, str(folder / "inference.py")]
    done = subprocess.run(
        [*script, "--image", str(page), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_zip_answers_in_a_clean_environment(
    paid: RunDirectory, papers: Path, tmp_path: Path
) -> None:
    file = tmp_path / "paid.zip"
    arguments = ["export", str(paid.adapter), "--to", "zip", "-o", str(file)]
    code, output, errors = command(*arguments, "--prove", str(papers), "--limit", "2", "--json")
    assert code == 0, errors
    proof = json.loads(output)["proof"]
    assert (proof["rows"], proof["same"], proof["same_as_base"]) == (2, 2, 0)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "home"] == ["paid.zip"]
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "elsewhere")
    page = write_page(tmp_path, TEXTS[1])
    assert infer(tmp_path / "elsewhere", page, "--instruction", "Read.") == "paid"
    assert infer(tmp_path / "elsewhere", page, "--base", locate(TINY_VLM)) == "paid"

    before = file.read_bytes()
    code, _, errors = command(*arguments)
    assert (code, "exists" in errors) == (1, True)
    assert file.read_bytes() == before


@pytest.mark.parametrize("to", ["peft", "merged"])
def test_a_folder_is_proven_and_loads_without_this_program(
    paid: RunDirectory, papers: Path, tmp_path: Path, to: str
) -> None:
    folder = tmp_path / "export"
    arguments = ["export", str(paid.adapter), "--to", to, "-o", str(folder), "--json"]
    code, output, errors = command(*arguments, "--prove", str(papers), "--limit", "2")
    assert code == 0, errors
    assert json.loads(output)["proof"]["same"] == 2
    if to == "peft":
        model = AutoModelForImageTextToText.from_pretrained(locate(TINY_VLM))
        PeftModel.from_pretrained(model, folder)
        collator = collator_of(answer_config(find_adapter(str(folder))))
        pages = open_pages(find_adapter(str(folder)), None, limit=1, images=True)
        with pytest.raises(UserError, match="'paid' instead of 'due'"):
            prove(folder, Proof(pages, trained=["due"], base=["text"]), collator)
        with pytest.raises(UserError) as raised:
            prove(folder, Proof(pages, trained=["due"], base=["paid"]), collator)
        assert "does not load the adapter" in raised.value.advice
    else:
        AutoModelForImageTextToText.from_pretrained(folder)
    code, _, errors = command(*arguments)
    assert (code, "is not empty" in errors) == (1, True)


def test_try_answers_with_the_base_and_every_adapter(paid: RunDirectory, tmp_path: Path) -> None:
    page = write_page(tmp_path, TEXTS[0])
    code, output, errors = command(
        "try", str(paid.adapter), "--image", str(page), "--tokens", "12", "--json"
    )
    assert code == 0, errors
    base, adapted = json.loads(output)
    assert TEXTS[0].startswith(base["answer"][:4])
    assert base["is_cut"]
    assert (adapted["answer"], adapted["is_cut"]) == ("paid", False)
    code, _, errors = command("try", str(paid.adapter), "--image", str(tmp_path / "none.png"))
    assert code == 1
    assert "none.png" in errors
    assert "Traceback" not in errors
