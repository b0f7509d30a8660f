"""GGUF files come in pairs or not at all, by a converter that is found or asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepsynth_tui.adapters.export.llama_cpp import (
    CONVERTER,
    VARIABLE,
    ConverterMissing,
    convert,
    find_converter,
)
from deepsynth_tui.cli import app
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.runs.directory import RunDirectory


@pytest.fixture
def llama_cpp(tmp_path: Path) -> Path:
    """A folder with a converter that has the options of llama.cpp's."""
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    source = Path(__file__).with_name("stand_in_converter.py")
    shutil.copyfile(source, folder / CONVERTER)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_the_converter_is_found(
    llama_cpp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConverterMissing) as raised:
        find_converter()
    assert "github.com/ggml-org/llama.cpp" in raised.value.advice
    assert find_converter(llama_cpp) == llama_cpp / CONVERTER
    assert find_converter(llama_cpp / CONVERTER) == llama_cpp / CONVERTER
    monkeypatch.setenv(VARIABLE, str(llama_cpp))
    assert find_converter() == llama_cpp / CONVERTER
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(ConverterMissing, match="does not exist"):
        find_converter()
    monkeypatch.delenv(VARIABLE)
    (llama_cpp / CONVERTER).chmod(0o755)
    monkeypatch.setenv("PATH", str(llama_cpp))
    assert find_converter() == llama_cpp / CONVERTER


@pytest.mark.parametrize(("reads_images", "names"), [(True, 2), (False, 1)])
def test_both_parts_are_written(
    llama_cpp: Path, model: Path, tmp_path: Path, reads_images: bool, names: int
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    files = convert(
        find_converter(llama_cpp),
        model,
        output,
        reads_images=reads_images,
        on_progress=lambda text: None,
    )
    assert [file.name for file in files] == ["model.gguf", "mmproj.gguf"][:names]
    assert sorted(output.iterdir()) == sorted(files)


def test_a_converter_that_fails_is_quoted_and_leaves_nothing(
    llama_cpp: Path, model: Path, tmp_path: Path
) -> None:
    (llama_cpp / "fails").write_text("mmproj")
    with (
        pytest.raises(UserError, match="Tiny is not supported"),
        atomic_folder(tmp_path / "out") as draft,
    ):
        convert(
            find_converter(llama_cpp),
            model,
            draft,
            reads_images=True,
            on_progress=lambda text: None,
        )
    assert not list(tmp_path.glob("*out*"))


def test_without_a_converter_nothing_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["adapters", "export", "gone", "--to", "gguf", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "git clone" in result.stderr


@pytest.mark.slow
def test_the_command_writes_both_files(
    paid: RunDirectory, papers: Path, llama_cpp: Path, tmp_path: Path
) -> None:
    output = tmp_path / "gguf"
    arguments = ["adapters", "export", str(paid.adapter), "--to", "gguf", "-o", str(output)]
    arguments += ["--converter", str(llama_cpp), "--prove", str(papers), "--limit", "2", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert written["files"] == ["model.gguf", "mmproj.gguf"]
    assert f"--mmproj {output / 'mmproj.gguf'}" in written["command"]
    assert written["proof"]["same"] == 2
    assert sorted(file.name for file in output.iterdir()) == ["mmproj.gguf", "model.gguf"]
    assert list(tmp_path.glob("*gguf*")) == [output]
