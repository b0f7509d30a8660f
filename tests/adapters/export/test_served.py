"""What a server serves is proven: it answers as the adapter, or the likely cause is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from peft import PeftModel
from typer.testing import CliRunner

from deepsynth_tui.adapters.export.server_client import ChatServer, ServerError, chat_messages
from deepsynth_tui.builtin import TINY_VLM, locate
from deepsynth_tui.cli import app
from deepsynth_tui.runs.directory import RunDirectory
from tests.adapters.export.chat_server import ChatModel, load, serving

BASE = locate(TINY_VLM)


def command(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", "export", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def served(
    paid: RunDirectory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ChatModel, str]]:
    """A server with the base, the adapter `paid`, and one more name for the base."""
    models = {
        "base": load(BASE),
        "paid": PeftModel.from_pretrained(load(BASE), str(paid.adapter)).eval(),
        "broken": load(BASE),
    }
    chat = ChatModel(BASE, models, tmp_path_factory.mktemp("served"))
    with serving(chat) as url:
        yield chat, url


@pytest.mark.slow
def test_an_export_for_vllm_is_written_and_the_server_proven(
    paid: RunDirectory, papers: Path, served: tuple[ChatModel, str], tmp_path: Path
) -> None:
    chat, url = served
    output = tmp_path / "vllm"
    arguments = [str(paid.adapter), "--prove", str(papers), "--limit", "2", "--json"]
    code, text, errors = command(
        *arguments, "--to", "vllm", "--towers", "drop", "-o", str(output), "--server", url
    )
    assert code == 0, errors
    written = json.loads(text)
    assert written["served_name"] == "paid"
    assert "--max-lora-rank 8" in written["command"]
    proof = written["proof"]
    assert (proof["model"], proof["same"], proof["same_as_base"]) == ("paid", 2, 0)
    assert (output / "adapter_config.json").is_file()
    question = chat.questions[-1]
    assert (question["model"], question["temperature"]) == ("paid", 0)


@pytest.mark.slow
def test_a_server_that_serves_the_base_is_an_error_with_its_cause(
    paid: RunDirectory, papers: Path, served: tuple[ChatModel, str]
) -> None:
    _, url = served
    arguments = [str(paid.adapter), "--prove", str(papers), "--limit", "2", "--json"]
    code, text, errors = command(*arguments, "--server", f"{url}/v1", "--served-model", "broken")
    assert (code, text) == (1, "")
    assert "the answers of the base model to all 2 pages" in errors
    assert "--enable-lora --lora-modules" in errors


def test_models_are_chosen_by_name(served: tuple[ChatModel, str]) -> None:
    server = ChatServer(served[1])
    assert server.choose_model(None, "paid") == "paid"
    assert server.choose_model("base", "paid") == "base"
    with pytest.raises(ServerError, match="serves no gone"):
        server.choose_model("gone", "paid")
    with pytest.raises(ServerError, match="base, paid, broken"):
        server.choose_model(None, "other")


def test_a_server_that_does_not_answer() -> None:
    server = ChatServer("http://127.0.0.1:9")
    with pytest.raises(ServerError, match="cannot be asked"):
        server.models()
    with pytest.raises(ServerError, match="cannot be asked"):
        ChatServer("nonsense").models()


def test_images_stand_in_their_places() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "image"}]
    (message,) = chat_messages([{"role": "user", "content": parts}], [b"1", b"2"])
    assert [part["type"] for part in message["content"]] == ["text", "image_url", "image_url"]
    urls = [part["image_url"]["url"] for part in message["content"][1:]]
    assert urls == ["data:image/png;base64,MQ==", "data:image/png;base64,Mg=="]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--server", "http://x"], "needs pages"),
        (["--to", "vllm"], "--to and --output"),
        (["-o", "x"], "--to and --output"),
        ([], "--to and --output"),
    ],
)
def test_wrong_options(arguments: list[str], reason: str) -> None:
    code, output, errors = command("adapter", *arguments)
    assert (code, output) == (2, "")
    assert reason in errors
