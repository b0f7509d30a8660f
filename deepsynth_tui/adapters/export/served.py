"""Proof of a served model: it answers the pages as the trained adapter does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from deepsynth_tui.adapters.export.proof import Proof
from deepsynth_tui.adapters.export.server_client import ChatServer
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.data.pages import load_page
from deepsynth_tui.training.evaluation.generate import answer_limit

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator

AS_BASE = (
    "Likely the adapter is not loaded, or another model is asked for. vLLM: start it with "
    "--enable-lora --lora-modules NAME=DIR and ask for NAME (--served-model); transformers serve "
    "and llama.cpp: serve the merged model"
)
DIFFERENT = (
    "Likely the server has another base, revision, dtype or quantization, leaves modules of the "
    "vision tower out, resizes pages (min_pixels, max_pixels), or has another chat template"
)


def prove_served(
    server: ChatServer, model: str, proof: Proof, collator: Collator
) -> dict[str, Any]:
    """Ask the server about the pages and compare its answers, white space around them apart.

    Raises:
        UserError: an answer differs, or the pages do not tell the adapter from its base.
        ServerError: the server does not answer.
    """
    answers = _ask(server, model, proof, collator)
    trained = [text.strip() for text in proof.trained]
    base = [text.strip() for text in proof.base]
    total = len(answers)
    if trained == base:
        raise UserError(
            f"The adapter answers these {total} pages as its base does: they prove nothing",
            "Name other pages with --prove",
        )
    different = [n for n, answer in enumerate(answers) if answer != trained[n]]
    if different:
        first = different[0]
        name = proof.pages.conversation(proof.pages.indices[first]).row_id
        example = f"{name}: {answers[first]!r} instead of {trained[first]!r}"
        if answers == base:
            raise UserError(
                f"{model} at {server.url} gives the answers of the base model to all {total} "
                f"pages. {example}",
                AS_BASE,
            )
        suffix = collator.render(_example(proof, first, collator)).last_prompt.suffix
        added = f", and does not add {suffix!r} to the prompt" if suffix else ""
        raise UserError(
            f"{model} at {server.url} answers {len(different)} of {total} pages differently. "
            f"{example}",
            DIFFERENT + added,
        )
    return {
        "server": server.url,
        "model": model,
        "pages": proof.pages.description,
        "rows": total,
        "same": total,
        "same_as_base": sum(a == b for a, b in zip(trained, base, strict=True)),
    }


def _ask(server: ChatServer, model: str, proof: Proof, collator: Collator) -> list[str]:
    answers = []
    for number in range(len(proof.pages.indices)):
        example = _example(proof, number, collator)
        chat = collator.render(example)
        answer = server.answer(
            model,
            example.messages[:-1],
            [_png(image, collator) for image in example.images],
            max_tokens=answer_limit(collator, chat),
            template_options=dict(chat.last_prompt.options),
        )
        answers.append(answer.strip())
    return answers


def _example(proof: Proof, number: int, collator: Collator) -> Any:
    builder = ExampleBuilder(collator.config.data, collator.reads_images, text_encoder=False)
    return builder.build(proof.pages.conversation(proof.pages.indices[number]))


def _png(image: Any, collator: Collator) -> bytes:
    """Return a page as the model was trained on it: upright, on white, of its size."""
    file = io.BytesIO()
    load_page(image, collator.config.model).save(file, "PNG")
    return file.getvalue()
