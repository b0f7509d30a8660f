"""Uploads to a server that answers as the Hub does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from deepsynth_tui.dataset.errors import UploadError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.publish import publish
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write


class Hub(BaseHTTPRequestHandler):
    """Creates repositories and refuses everything else."""

    requests: list[tuple[str, dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((self.path, json.loads(body)))
        is_create = self.path == "/api/repos/create"
        name = f"{json.loads(body).get('organization')}/{json.loads(body).get('name')}"
        answer = json.dumps(
            {"url": f"{constants.ENDPOINT}/datasets/{name}"}
            if is_create
            else {"error": "no room left"}
        ).encode()
        self.send_response(200 if is_create else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    Hub.requests.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up_for_this_test")
    yield Hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("private", [True, False])
def test_the_repository_is_private_or_public(hub: type[Hub], tmp_path: Path, private: bool):
    (tmp_path / "README.md").write_text("card")
    with pytest.raises(UploadError, match="the upload to owner/name failed") as caught:
        publish(tmp_path, "owner/name", private=private)
    path, request = hub.requests[0]
    assert path == "/api/repos/create"
    assert (request["name"], request["type"], request["visibility"]) == (
        "name",
        "dataset",
        "private" if private else "public",
    )
    assert f"hf upload owner/name {tmp_path} --repo-type dataset" in caught.value.advice
    assert ("--private" in caught.value.advice) == private
    assert "hf_made_up" not in str(caught.value)


def test_a_failed_upload_is_repeated_without_drawing(hub: type[Hub], tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(3))
    settings = config(source, output={"push_to_hub": True, "hub_repo_id": "owner/name"})
    first, again = Recorder(), Recorder()
    for recorder in (first, again):
        with pytest.raises(UploadError):
            generate(settings, tmp_path / "out", recorder)
        assert recorder.results["dataset"] == str(tmp_path / "out")
    assert first.phases == ["reading", "drawing", "writing", "writing"]
    assert again.phases == ["reading", "writing"]
    assert [path for path, _ in hub.requests].count("/api/repos/create") == 2
    written = b"".join(files(tmp_path / "out").values())
    assert b"hf_made_up" not in written


def test_invalid_repository_name(tmp_path: Path):
    with pytest.raises(UploadError, match="owner//name"):
        publish(tmp_path, "owner//name", private=True)
