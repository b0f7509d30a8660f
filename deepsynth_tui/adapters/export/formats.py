"""The formats that an adapter is exported to. Each is proven before it gets its name."""

from __future__ import annotations

import shlex
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui import builtin
from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.rows import ExamData
from deepsynth_tui.adapters.export.llama_cpp import convert
from deepsynth_tui.adapters.export.proof import Proof, prove
from deepsynth_tui.adapters.export.settings import (
    BASE_FOLDER,
    base_location,
    inference_settings,
    write_inference,
)
from deepsynth_tui.adapters.export.vllm import (
    VllmPlan,
    rewrite_for_vllm,
    serve_command,
    vllm_notes,
)
from deepsynth_tui.adapters.merge.court import merge_measured
from deepsynth_tui.runs.atomic import atomic_folder

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator


class Exporter:
    """Writes one adapter to `output`; `written` says what, as JSON values.

    Each format is written beside `output`, must pass the `proof`, if there is one, and is renamed
    then. A merged model is measured on up to `limit` pages of `data`.
    """

    def __init__(
        self,
        adapter: Adapter,
        output: Path,
        collator: Collator,
        *,
        proof: Proof | None,
        data: ExamData | None,
        limit: int,
        on_progress: Callable[[str], None],
    ) -> None:
        self._adapter = adapter
        self._output = output
        self._collator = collator
        self._proof = proof
        self._data = data
        self._limit = limit
        self._on_progress = on_progress
        self.written: dict[str, Any] = {}

    def write_peft(self) -> None:
        """Write a folder for PEFT and transformers."""
        self._on_progress(f"writing {self._output}")
        with atomic_folder(self._output) as draft:
            self._write_adapter(draft, with_base=False)
            self._prove(draft)

    def write_zip(self) -> None:
        """Write the folder beside `output`, pack it, and prove what was packed."""
        self._on_progress(f"writing {self._output}")
        output = self._output
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = output.with_name(f".{output.name}.folder")
        draft = output.with_name(f".{output.name}.new")
        unpacked = output.with_name(f".{output.name}.unpacked")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            self._write_adapter(folder, with_base=True)
            _pack(folder, draft)
            shutil.rmtree(folder)
            with zipfile.ZipFile(draft) as archive:
                archive.extractall(unpacked)
            self._prove(unpacked)
            draft.rename(output)
        finally:
            draft.unlink(missing_ok=True)
            for rest in (folder, unpacked):
                shutil.rmtree(rest, ignore_errors=True)

    def write_merged(self) -> None:
        """Write a model with the adapter merged into it."""
        self.written |= self._merge(self._output)

    def write_vllm(self, plan: VllmPlan) -> None:
        """Write a folder for vLLM's LoRA loader."""
        self._on_progress(f"writing {self._output}")
        with atomic_folder(self._output) as draft:
            self._write_adapter(draft, with_base=False)
            rewrite_for_vllm(draft, plan)
            self._prove(draft)
        base, name = base_location(self._adapter), short_name(self._adapter)
        self.written |= {
            "command": serve_command(self._adapter, base, self._output, name, plan),
            "served_name": name,
            "max_lora_rank": plan.max_lora_rank,
            "dropped": dict(plan.dropped),
            "notes": vllm_notes(self._adapter, plan),
        }

    def write_gguf(self, converter: Path) -> None:
        """Merge the adapter, and convert the proven model with llama.cpp's `converter`."""
        model = self._output.with_name(f".{self._output.name}.merged")
        shutil.rmtree(model, ignore_errors=True)  # of an export that was killed
        try:
            merged = self._merge(model)
            with atomic_folder(self._output) as draft:
                files = convert(
                    converter,
                    model,
                    draft,
                    reads_images=self._collator.reads_images,
                    on_progress=self._on_progress,
                )
                names = [file.name for file in files]
        finally:
            shutil.rmtree(model, ignore_errors=True)
        self.written |= {name: merged[name] for name in ("kept", "drift", "notes")}
        self.written |= {"files": names, "command": llama_command(self._output, names)}

    def _prove(self, draft: Path) -> None:
        if self._proof is not None:
            self._on_progress("answering the pages with the export")
            self.written["proof"] = prove(draft, self._proof, self._collator)

    def _merge(self, output: Path) -> dict[str, Any]:
        def complete(draft: Path) -> None:
            settings = inference_settings(self._adapter, self._collator, is_adapter=False, base="")
            write_inference(draft, settings)
            self._prove(draft)

        return merge_measured(
            self._adapter,
            output,
            onto="auto",
            max_drift=None,
            data=self._data,
            limit=self._limit,
            on_progress=self._on_progress,
            complete=complete,
        ).to_json()

    def _write_adapter(self, draft: Path, *, with_base: bool) -> None:
        """Write the adapter, the whole processor, its card, and code that uses it."""
        adapter = self._adapter
        self._collator.processor.save_pretrained(str(draft))
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
        settings = inference_settings(adapter, self._collator, is_adapter=True, base=base)
        write_inference(draft, settings)


def _pack(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            # Weights do not get smaller.
            stored = path.suffix == ".safetensors"
            kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.write(path, path.relative_to(folder), compress_type=kind)


def llama_command(folder: Path, files: Sequence[str]) -> str:
    """Return the shell command that serves GGUF files."""
    parts = ["llama-server", "-m", str(folder / files[0])]
    return shlex.join(
        parts + [part for file in files[1:] for part in ("--mmproj", str(folder / file))]
    )


def short_name(adapter: Adapter) -> str:
    """Return the name of the run of an adapter, or that of its folder."""
    if adapter.lineage:
        return str(adapter.lineage["config"]["name"])
    return adapter.folder.name
