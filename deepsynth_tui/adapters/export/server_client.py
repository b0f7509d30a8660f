"""Ask a server that speaks the OpenAI chat protocol. Imports no torch."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.errors import UserError

TIMEOUT_SECONDS = 600.0
MAX_SHOWN = 300


class ServerError(UserError):
    """The server cannot be reached, refuses a question, or answers something else."""


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A server by its URL, with or without `/v1`."""

    url: str

    def models(self) -> list[dict[str, Any]]:
        """Return what `/v1/models` lists. Raises ServerError."""
        listed = self._ask("models", None).get("data")
        if not isinstance(listed, list):
            raise ServerError(f"{self.url} lists no models", "Give the URL of an OpenAI server")
        return [entry for entry in listed if isinstance(entry, dict) and "id" in entry]

    def choose_model(self, named: str | None, adapter: str) -> str:
        """Return the model to ask for: the one that is named, that of the adapter, or the only one.

        vLLM lists an adapter with the base as its `parent`. Raises ServerError.
        """
        models = self.models()
        ids = [str(entry["id"]) for entry in models]
        if named is not None:
            if named in ids:
                return named
            raise ServerError(f"{self.url} serves no {named}, but {', '.join(ids)}", "Name one")
        if adapter in ids:
            return adapter
        adapters = [str(entry["id"]) for entry in models if entry.get("parent")]
        for candidates in (adapters, ids):
            if len(candidates) == 1:
                return candidates[0]
        raise ServerError(
            f"{self.url} serves {', '.join(ids) or 'no model'}", "Name one with --served-model"
        )

    def answer(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        images: Sequence[bytes],
        *,
        max_tokens: int,
        template_options: Mapping[str, Any],
    ) -> str:
        """Return the answer to the last message; `images` are PNG files in the order of their
        parts. Raises ServerError."""
        question: dict[str, Any] = {
            "model": model,
            "messages": chat_messages(messages, images),
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        if template_options:
            question["chat_template_kwargs"] = dict(template_options)
        reply = self._ask("chat/completions", question)
        try:
            content = reply["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            raise ServerError(
                f"{self.url} answers no chat: {json.dumps(reply)[:MAX_SHOWN]}",
                "Give the URL of a server with /v1/chat/completions",
            ) from None
        return content or ""

    def _ask(self, path: str, question: Mapping[str, Any] | None) -> dict[str, Any]:
        base = self.url.rstrip("/")
        base = base if base.endswith("/v1") else f"{base}/v1"
        data = None if question is None else json.dumps(question).encode()
        try:
            request = urllib.request.Request(
                f"{base}/{path}", data, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:
                content = json.loads(reply.read())
        except urllib.error.HTTPError as error:
            body = error.read().decode(errors="replace")[:MAX_SHOWN]
            raise ServerError(
                f"{base}/{path} answers {error.code} {error.reason}: {body}",
                "The log of the server says more",
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ServerError(
                f"{base} cannot be asked: {reason}", "Start the server, and check --server"
            ) from error
        if not isinstance(content, dict):
            raise ServerError(f"{base}/{path} answers no JSON object", "Check --server")
        return content


def chat_messages(
    messages: Sequence[Mapping[str, Any]], images: Sequence[bytes]
) -> list[dict[str, Any]]:
    """Return messages of the OpenAI protocol, with the images as data URLs in their places."""
    rest = iter(images)
    return [
        {"role": message["role"], "content": [_part(part, rest) for part in message["content"]]}
        for message in messages
    ]


def _part(part: Mapping[str, Any], images: Any) -> dict[str, Any]:
    if part["type"] != "image":
        return {"type": "text", "text": part["text"]}
    url = f"data:image/png;base64,{base64.b64encode(next(images)).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
