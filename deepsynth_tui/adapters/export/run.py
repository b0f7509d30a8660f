"""Export an adapter, and prove the export before it gets its name."""

from __future__ import annotations

import os
import shlex
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deepsynth_tui import builtin
from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.rows import ExamData
from deepsynth_tui.adapters.export.llama_cpp import convert, find_converter
from deepsynth_tui.adapters.export.proof import prepare_proof, prove
from deepsynth_tui.adapters.export.served import prove_served
from deepsynth_tui.adapters.export.server_client import ChatServer
from deepsynth_tui.adapters.export.settings import (
    BASE_FOLDER,
    base_location,
    inference_settings,
    write_inference,
)
from deepsynth_tui.adapters.export.vllm import (
    Towers,
    plan_vllm,
    rewrite_for_vllm,
    serve_command,
    vllm_notes,
)
from deepsynth_tui.adapters.loaded import collator_of
from deepsynth_tui.adapters.merge.court import merge_measured
from deepsynth_tui.adapters.output_folder import check_new_folder
from deepsynth_tui.adapters.pages import open_pages
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.atomic import atomic_folder

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
    if to == "zip" and output.suffix != ".zip":
        output = output / f"{_short_name(adapter)}.zip"
    if to == "zip" and os.path.lexists(output):
        raise UserError(f"{output} exists", "Choose another file: nothing is overwritten")
    if to != "zip":
        check_new_folder(output)
    if adapter.reads_text_encoder and (to == "zip" or proof_data):
        raise UserError(
            f"{adapter.name} reads its instructions with a text encoder, which transformers and "
            "PEFT do not load",
            "Use --to peft without --prove; `adapters try` runs it",
        )
    collator = collator_of(answer_config(adapter))
    proof = None
    if proof_data is not None:
        pages = open_pages(adapter, proof_data, limit=limit, images=collator.reads_images)
        on_progress("answering the pages with the adapter")
        proof = prepare_proof(adapter, pages)
    written: dict[str, Any] = {"path": str(output), "format": to}

    def finish(draft: Path) -> None:
        if proof is not None:
            on_progress("answering the pages with the export")
            written["proof"] = prove(draft, proof, collator)

    if to == "merged":
        written |= _merged(adapter, output, collator, proof_data, limit, finish, on_progress)
        return written
    if converter is not None:
        model = output.with_name(f".{output.name}.merged")
        shutil.rmtree(model, ignore_errors=True)  # of an export that was killed
        try:
            merged = _merged(adapter, model, collator, proof_data, limit, finish, on_progress)
            with atomic_folder(output) as draft:
                files = convert(
                    converter,
                    model,
                    draft,
                    reads_images=collator.reads_images,
                    on_progress=on_progress,
                )
                names = [file.name for file in files]
        finally:
            shutil.rmtree(model, ignore_errors=True)
        written |= {name: merged[name] for name in ("kept", "drift", "notes")}
        return {**written, "files": names, "command": llama_command(output, names)}
    on_progress(f"writing {output}")
    if to == "peft":
        with atomic_folder(output) as draft:
            _write_adapter(adapter, collator, draft, with_base=False)
            finish(draft)
    elif plan is not None:
        with atomic_folder(output) as draft:
            _write_adapter(adapter, collator, draft, with_base=False)
            rewrite_for_vllm(draft, plan)
            finish(draft)
        base = base_location(adapter)
        written |= {
            "command": serve_command(adapter, base, output, _short_name(adapter), plan),
            "served_name": _short_name(adapter),
            "max_lora_rank": plan.max_lora_rank,
            "dropped": dict(plan.dropped),
            "notes": vllm_notes(adapter, plan),
        }
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        _write_zip(adapter, collator, output, finish)
    return written


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
    model = server.choose_model(served_model, _short_name(adapter))  # before anything is loaded
    collator = collator_of(answer_config(adapter))
    pages = open_pages(adapter, proof_data, limit=limit, images=collator.reads_images)
    on_progress("answering the pages with the adapter")
    proof = prepare_proof(adapter, pages)
    on_progress(f"asking {model} at {url}")
    return prove_served(server, model, proof, collator)


def llama_command(folder: Path, files: Sequence[str]) -> str:
    """Return the shell command that serves GGUF files."""
    parts = ["llama-server", "-m", str(folder / files[0])]
    return shlex.join(
        parts + [part for file in files[1:] for part in ("--mmproj", str(folder / file))]
    )


def _short_name(adapter: Adapter) -> str:
    if adapter.lineage:
        return str(adapter.lineage["config"]["name"])
    return adapter.folder.name


def _merged(
    adapter: Adapter,
    output: Path,
    collator: Collator,
    proof_data: ExamData | None,
    limit: int,
    finish: Callable[[Path], None],
    on_progress: Callable[[str], None],
) -> dict[str, Any]:
    def complete(draft: Path) -> None:
        settings = inference_settings(adapter, collator, is_adapter=False, base="")
        write_inference(draft, settings)
        finish(draft)

    return merge_measured(
        adapter,
        output,
        onto="auto",
        max_drift=None,
        data=proof_data,
        limit=limit,
        on_progress=on_progress,
        complete=complete,
    ).to_json()


def _write_adapter(adapter: Adapter, collator: Collator, draft: Path, *, with_base: bool) -> None:
    """Write the adapter, the whole processor, its card, and code that uses it."""
    collator.processor.save_pretrained(str(draft))
    # Files of the adapter itself come last: they win.
    shutil.copytree(
        adapter.folder,
        draft,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".*", "checkpoint-*", "optimizer.pt", "*.bin"),
    )
    if adapter.reads_text_encoder:
        return
    base = base_location(adapter)
    if with_base and adapter.base.startswith(builtin.PREFIX):
        shutil.copytree(base, draft / BASE_FOLDER)
        base = BASE_FOLDER
    write_inference(draft, inference_settings(adapter, collator, is_adapter=True, base=base))


def _write_zip(
    adapter: Adapter, collator: Collator, output: Path, finish: Callable[[Path], None]
) -> None:
    """Write the folder beside `output`, pack it, and prove what was packed."""
    folder = output.with_name(f".{output.name}.folder")
    draft = output.with_name(f".{output.name}.new")
    unpacked = output.with_name(f".{output.name}.unpacked")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _write_adapter(adapter, collator, folder, with_base=True)
        with zipfile.ZipFile(draft, "w") as archive:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                # Weights do not get smaller.
                stored = file.suffix == ".safetensors"
                kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
                archive.write(file, file.relative_to(folder), compress_type=kind)
        shutil.rmtree(folder)
        with zipfile.ZipFile(draft) as archive:
            archive.extractall(unpacked)
        finish(unpacked)
        draft.rename(output)
    finally:
        draft.unlink(missing_ok=True)
        for rest in (folder, unpacked):
            shutil.rmtree(rest, ignore_errors=True)
