"""A small server that speaks the OpenAI chat protocol, with plain transformers behind it."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from transformers import AutoModelForImageTextToText

from tests.builtin.plain_reading import read


class ChatModel:
    """Models by the name that a client asks for, and the folder of their processor."""

    def __init__(self, folder: str, models: dict[str, Any], scratch: Path) -> None:
        self.folder = folder
        self.models = models
        self.questions: list[dict[str, Any]] = []
        self._page = scratch / "page.png"
        self._lock = threading.Lock()

    def listed(self) -> dict[str, Any]:
        """Return the answer to `/v1/models`, as vLLM gives it: adapters name their parent."""
        entries = [
            {"id": name, "object": "model", "parent": None if name == "base" else "base"}
            for name in self.models
        ]
        return {"object": "list", "data": entries}

    def complete(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to `/v1/chat/completions`."""
        self.questions.append(question)
        image, text = question["messages"][-1]["content"]
        header, _, data = image["image_url"]["url"].partition(",")
        assert header == "data:image/png;base64"
        with self._lock:
            self._page.write_bytes(io.BytesIO(base64.b64decode(data)).getvalue())
            answer = read(self.models[question["model"]], self.folder, self._page, text["text"])
        message = {"role": "assistant", "content": answer}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@contextmanager
def serving(model: ChatModel) -> Iterator[str]:
    """Serve on a free port of this machine; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(200, model.listed())

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions":
                self._reply(404, {"error": "no such place"})
                return
            self._reply(200, model.complete(question))

        def _reply(self, code: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(folder: str) -> Any:
    """Return the base model in a folder."""
    return AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval()
