"""Proof of an export: loaded again in a process of its own, it answers as the trained adapter."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.run import answer_rows
from deepsynth_tui.adapters.export.settings import SCRIPT
from deepsynth_tui.adapters.loaded import LoadedAdapters
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.generate import answer_limit

if TYPE_CHECKING:
    from deepsynth_tui.adapters.pages import Pages
    from deepsynth_tui.training.data.collator import Collator


@dataclass(frozen=True, slots=True)
class Proof:
    """The pages, and the answers of the trained adapter and of its base to them."""

    pages: Pages
    trained: Sequence[str]
    base: Sequence[str]


def prepare_proof(adapter: Adapter, pages: Pages) -> Proof:
    """Answer the pages as the trainer does, one at a time. Raises as `LoadedAdapters`."""
    config = answer_config(adapter)
    loaded = LoadedAdapters([adapter])
    answers: list[list[str]] = []
    for context in (loaded.base_only(), loaded.switched_on(adapter)):
        with context as model:
            rows = answer_rows(model, config, pages.conversation, pages.indices, batch_size=1)
            by_row = {answer.row: answer.output for answer in rows}
            answers.append([by_row[index] for index in pages.indices])
    return Proof(pages, trained=answers[1], base=answers[0])


def prove(folder: Path, proof: Proof, collator: Collator) -> dict[str, Any]:
    """Run `inference.py` of an export on the pages and compare its answers.

    Raises:
        UserError: an answer differs, or the export does not run.
    """
    answers = _run(folder, proof.pages, collator)
    different = [n for n, answer in enumerate(answers) if answer != proof.trained[n]]
    if different:
        first = different[0]
        name = proof.pages.conversation(proof.pages.indices[first]).row_id
        as_base = all(answers[n] == proof.base[n] for n in different)
        cause = (
            "These are the answers of the base model: the export does not load the adapter"
            if as_base
            else "Fused experts that training quantized, or a merge into other weights, change "
            "answers; `adapters merge` measures by how much"
        )
        raise UserError(
            f"The export answers {len(different)} of {len(answers)} pages differently, so it was "
            f"deleted. {name}: {answers[first]!r} instead of {proof.trained[first]!r}",
            cause,
        )
    same_as_base = sum(a == b for a, b in zip(proof.trained, proof.base, strict=True))
    return {
        "pages": proof.pages.description,
        "rows": len(answers),
        "same": len(answers),
        "same_as_base": same_as_base,
    }


def _run(folder: Path, pages: Pages, collator: Collator) -> list[str]:
    config = collator.config
    builder = ExampleBuilder(config.data, collator.reads_images, text_encoder=False)
    with tempfile.TemporaryDirectory(prefix="deepsynth-proof-") as scratch:
        rows = []
        for number, index in enumerate(pages.indices):
            example = builder.build(pages.conversation(index))
            files = []
            for page, image in enumerate(example.images):
                file = Path(scratch) / f"{number}-{page}"
                data = image["bytes"] or Path(str(image["path"])).read_bytes()
                file.write_bytes(data)
                files.append(str(file))
            chat = collator.render(example)
            rows.append(
                {
                    "messages": [dict(message) for message in example.messages[:-1]],
                    "images": files,
                    "max_new_tokens": answer_limit(collator, chat),
                    "template_options": dict(chat.last_prompt.options),
                    "prompt_suffix": chat.last_prompt.suffix,
                }
            )
        (Path(scratch) / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        # -I: without PYTHONPATH and the working folder, as anybody else would run it.
        command = [sys.executable, "-I", str(folder / SCRIPT)]
        command += ["--rows", f"{scratch}/rows.json", "--answers", f"{scratch}/answers.json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(
                f"inference.py of the export fails: {done.stderr.strip().rpartition(chr(10))[2]}",
                "Install the packages that README.md of the export names",
            )
        return json.loads((Path(scratch) / "answers.json").read_text(encoding="utf-8"))
