"""Export an adapter, and prove the export before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.rows import ExamData
from deepsynth_tui.adapters.export.formats import Exporter, short_name
from deepsynth_tui.adapters.export.llama_cpp import find_converter
from deepsynth_tui.adapters.export.proof import Proof, prepare_proof
from deepsynth_tui.adapters.export.served import prove_served
from deepsynth_tui.adapters.export.server_client import ChatServer
from deepsynth_tui.adapters.export.vllm import Towers, plan_vllm
from deepsynth_tui.adapters.loaded import collator_of
from deepsynth_tui.adapters.output_folder import check_new_folder
from deepsynth_tui.adapters.pages import open_pages
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator

ExportFormat = Literal["peft", "zip", "merged", "vllm", "gguf"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What only some formats need: what vLLM does with other towers, and llama.cpp's converter."""

    towers: Towers = "refuse"
    converter: Path | None = None


def export(
    adapter: Adapter,
    to: ExportFormat,
    output: Path,
    *,
    proof_data: ExamData | None,
    limit: int,
    on_progress: Callable[[str], None],
    options: ExportOptions | None = None,
) -> dict[str, Any]:
    """Write an adapter in a format and return what was written as JSON values.

    With `proof_data`, up to `limit` of its pages must get the answers of the trained adapter; those
    for "gguf" the merged model that is converted.

    Raises:
        UserError: `output` exists, the format cannot hold the adapter, or the proof fails.
        OSError: the base model is missing, or the disk is full.
    """
    options = options or ExportOptions()
    plan = plan_vllm(adapter, options.towers) if to == "vllm" else None
    converter = find_converter(options.converter) if to == "gguf" else None
    output = _check_output(adapter, to, output)
    if adapter.reads_text_encoder and (to == "zip" or proof_data):
        raise UserError(
            f"{adapter.name} reads its instructions with a text encoder, which transformers and "
            "PEFT do not load",
            "Use --to peft without --prove; `adapters try` runs it",
        )
    collator = collator_of(answer_config(adapter))
    proof = None
    if proof_data is not None:
        proof = _answers(adapter, proof_data, collator, limit=limit, on_progress=on_progress)
    exporter = Exporter(
        adapter,
        output,
        collator,
        proof=proof,
        data=proof_data,
        limit=limit,
        on_progress=on_progress,
    )
    if plan is not None:
        exporter.write_vllm(plan)
    elif converter is not None:
        exporter.write_gguf(converter)
    elif to == "merged":
        exporter.write_merged()
    elif to == "zip":
        exporter.write_zip()
    else:
        exporter.write_peft()
    return {"path": str(output), "format": to, **exporter.written}


def prove_server(
    adapter: Adapter,
    url: str,
    proof_data: ExamData,
    *,
    served_model: str | None,
    limit: int,
    on_progress: Callable[[str], None],
) -> dict[str, Any]:
    """Prove that a server answers up to `limit` pages as the trained adapter.

    Raises:
        UserError: an answer differs, or the server does not answer.
        OSError: the base model is missing.
    """
    server = ChatServer(url)
    model = server.choose_model(served_model, short_name(adapter))  # before anything is loaded
    collator = collator_of(answer_config(adapter))
    proof = _answers(adapter, proof_data, collator, limit=limit, on_progress=on_progress)
    on_progress(f"asking {model} at {url}")
    return prove_served(server, model, proof, collator)


def _check_output(adapter: Adapter, to: ExportFormat, output: Path) -> Path:
    """Return the folder or file to write. Raises UserError if it exists."""
    if to != "zip":
        check_new_folder(output)
        return output
    if output.suffix != ".zip":
        output = output / f"{short_name(adapter)}.zip"
    if os.path.lexists(output):
        raise UserError(f"{output} exists", "Choose another file: nothing is overwritten")
    return output


def _answers(
    adapter: Adapter,
    data: ExamData,
    collator: Collator,
    *,
    limit: int,
    on_progress: Callable[[str], None],
) -> Proof:
    pages = open_pages(adapter, data, limit=limit, images=collator.reads_images)
    on_progress("answering the pages with the adapter")
    return prepare_proof(adapter, pages)
