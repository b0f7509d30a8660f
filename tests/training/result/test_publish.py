"""Uploads of a trained adapter to a local server that imitates the Hub."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import constants
from transformers import AutoTokenizer

from deepsynth_tui.adapters.try_out import try_out
from deepsynth_tui.builtin import TINY_BERT, locate
from deepsynth_tui.training.result.model_card import metadata
from tests.training.conftest import Run
from tests.training.text_encoder.conftest import encoder_settings

TOKEN = "hf_made_up_for_this_test"


@dataclass
class Hub:
    """The requests to create a repository, and the files of each commit."""

    created: list[dict[str, Any]] = field(default_factory=list)
    commits: list[dict[str, bytes]] = field(default_factory=list)
    private: bool = True
    full: bool = False

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        path = path.partition("?")[0]
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return 200, {"url": f"{constants.ENDPOINT}/owner/name", "id": "owner/name"}
        if path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            chosen = {"uploadMode": "regular", "shouldIgnore": False}
            return 200, {"files": [{"path": file["path"], **chosen} for file in files]}
        if path.endswith("/commit/main"):
            if self.full:
                return 403, {"error": "Storage limit reached"}
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.commits.append({f["path"]: base64.b64decode(f["content"]) for f in files})
            commit = f"{constants.ENDPOINT}/owner/name/commit/abc"
            return 200, {"commitUrl": commit, "commitOid": "abc", "pullRequestUrl": None}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/models/owner/name":
            return 200, {"id": "owner/name", "private": self.private, "tags": [], "downloads": 0}
        return 404, {"error": path}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, answer = state.answer(self.path, body)
            text = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def _front(card: bytes) -> dict[str, Any]:
    return yaml.safe_load(card.decode().split("---")[1])


def _written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_adapter_card_and_checkpoints_are_uploaded(hub: Hub, run: Run) -> None:
    ran = run(
        output__push_to_hub=True,
        output__push_checkpoints=True,
        output__hub_model_id="owner/name",
        data__eval_fraction=0.2,
        training__max_steps=2,
        training__save_steps=1,
        training__save_total_limit=1,
    )

    assert ran.verdict == "completed", ran.failure
    assert not ran.of("warning")
    (request,) = hub.created
    assert (request["name"], request["visibility"]) == ("name", "private")
    *checkpoints, final = hub.commits
    assert 1 <= len(checkpoints) <= 2
    for files in checkpoints:
        assert "last-checkpoint/adapter_model.safetensors" in files
        assert "last-checkpoint/trainer_state.json" in files
    on_disk = {path.name: path.read_bytes() for path in ran.run.adapter.iterdir()}
    assert final == on_disk
    assert ran.of("done")[-1].data["hub"].endswith("/owner/name")
    assert TOKEN.encode() not in _written(ran.run.path)
    assert not (ran.run.path / ".uploading").exists()

    front = _front(final["README.md"])
    assert front["library_name"] == "peft"
    assert front["pipeline_tag"] == "image-text-to-text"
    assert front["tags"] == ["lora", "sft", "deepsynth"]
    (index,) = front["model-index"]
    scores = {metric["type"]: metric["value"] for metric in index["results"][0]["metrics"]}
    done = ran.of("done")[-1].data
    assert scores == {
        "loss": done["eval_loss"],
        "exact_match": done["eval_exact_match"],
        "rouge": done["eval_rouge_l"],
        "cer": done["eval_cer"],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trainable", "trained"),
    [
        ("lora", ["adapter/adapter_config.json", "adapter/adapter_model.safetensors"]),
        ("full", ["model/config.json", "model/model.safetensors", "model/tokenizer.json"]),
    ],
)
def test_a_downloaded_adapter_uses_its_text_encoder(
    hub: Hub, run: Run, tmp_path: Path, trainable: str, trained: list[str]
) -> None:
    ran = run(
        output__push_to_hub=True,
        output__hub_model_id="owner/name",
        text_encoder=encoder_settings("bert", trainable=trainable),
        training__max_steps=2,
    )

    assert ran.verdict == "completed", ran.failure
    assert not ran.of("warning")
    (uploaded,) = hub.commits
    adapter = ran.run.adapter
    on_disk = {path.relative_to(adapter): path for path in adapter.rglob("*") if path.is_file()}
    assert uploaded == {str(name): path.read_bytes() for name, path in on_disk.items()}
    for name in ("projection.safetensors", *trained):
        assert f"text_encoder/{name}" in uploaded
    assert json.loads(uploaded["deepsynth.json"])["text_encoder"]["trainable"] == trainable
    assert b"try_out" in uploaded["README.md"]

    elsewhere = tmp_path / "elsewhere"
    for name, content in uploaded.items():
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_bytes(content)
    if trainable == "full":
        tokenizer = AutoTokenizer.from_pretrained(elsewhere / "text_encoder" / "model")
        own = AutoTokenizer.from_pretrained(locate(TINY_BERT))
        assert tokenizer("red").input_ids == own("red").input_ids
    answers = try_out(adapter)
    shutil.rmtree(adapter)
    assert try_out(elsewhere) == answers
    assert answers.instruction


@pytest.mark.slow
def test_a_run_completes_with_a_warning_when_its_upload_fails(hub: Hub, run: Run) -> None:
    hub.full = True
    ran = run(output__push_to_hub=True, output__hub_model_id="owner/name", training__max_steps=1)

    assert ran.verdict == "completed"
    assert (ran.run.adapter / "adapter_model.safetensors").is_file()
    done = ran.of("done")[-1].data
    assert done["verification"]["reproduces"]
    assert "hub" not in done
    message = ran.of("warning")[-1].data["message"]
    assert "The upload to owner/name failed: " in message
    assert f"hf upload owner/name {ran.run.adapter} --private" in message


@pytest.mark.slow
def test_a_private_run_is_not_uploaded_to_a_public_repository(hub: Hub, run: Run) -> None:
    hub.private = False
    ran = run(output__push_to_hub=True, output__hub_model_id="owner/name", training__max_steps=1)

    assert ran.verdict == "completed"
    assert not hub.commits
    assert "owner/name already exists and is public" in ran.of("warning")[-1].data["message"]


def test_the_card_names_only_bases_and_datasets_on_the_hub(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
    lineage: dict[str, Any] = {
        "base": {
            "name": "owner/base",
            "path": str(tmp_path),
            "commit": "abc",
            "reads_images": False,
        },
        "dataset": {"path": "owner/pages", "held_out_rows": 0},
        "config": {
            "name": "mine",
            "lora": {"enabled": True},
            "quantization": {"enabled": True},
        },
        "metrics": {"last_loss": 1.0},
    }
    front = metadata(lineage).to_dict()
    assert front["base_model"] == "owner/base"
    assert front["datasets"] == ["owner/pages"]
    assert front["license"] == "apache-2.0"
    assert front["tags"] == ["lora", "qlora", "sft", "deepsynth"]
    assert "model-index" not in front

    lineage["base"] |= {"name": str(tmp_path), "commit": None}
    lineage["dataset"]["path"] = str(tmp_path)
    here = metadata(lineage).to_dict()
    assert "base_model" not in here
    assert "datasets" not in here
