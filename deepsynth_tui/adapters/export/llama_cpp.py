"""llama.cpp's converter: found on this machine, and run for both parts of a model.

A vision-language model is two GGUF files: the language model, and the vision tower with the
projector ("mmproj"). llama.cpp answers without the second as if there were no page, so that never
one of them is written without the other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from deepsynth_tui.errors import UserError

CONVERTER = "convert_hf_to_gguf.py"
VARIABLE = "LLAMA_CPP_DIR"
MODEL_FILE, MMPROJ_FILE = "model.gguf", "mmproj.gguf"
MAGIC = b"GGUF"
HOW_TO_GET = (
    "Get llama.cpp (git clone https://github.com/ggml-org/llama.cpp) and install its "
    "requirements/requirements-convert_hf_to_gguf.txt; then put its folder into "
    f"${VARIABLE} or name it with --converter"
)


class ConverterMissing(UserError):
    """llama.cpp's converter is not on this machine."""


def find_converter(named: Path | None = None) -> Path:
    """Return the converter: the file or the llama.cpp folder that is `named`, that of the
    environment variable `LLAMA_CPP_DIR`, or that on the PATH.

    Raises ConverterMissing.
    """
    places = [named, Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None]
    for place in places:
        if place is None:
            continue
        file = place.expanduser()
        file = file / CONVERTER if file.is_dir() else file
        if file.is_file():
            return file.resolve()
        raise ConverterMissing(f"{file} does not exist", HOW_TO_GET)
    if on_path := shutil.which(CONVERTER):
        return Path(on_path)
    raise ConverterMissing(f"llama.cpp's {CONVERTER} is not on this machine", HOW_TO_GET)


def convert(
    converter: Path,
    model: Path,
    folder: Path,
    *,
    reads_images: bool,
    on_progress: Callable[[str], None],
) -> list[Path]:
    """Convert the model in a folder into the GGUF files in another, and return these.

    Raises:
        UserError: the converter fails, for a family that it does not know, or writes no GGUF file.
    """
    parts = [(MODEL_FILE, ["--outtype", "auto"])]
    if reads_images:
        parts.append((MMPROJ_FILE, ["--mmproj"]))
    files = []
    for name, options in parts:
        file = folder / name
        on_progress(f"converting {name}")
        command = [sys.executable, str(converter), str(model), "--outfile", str(file), *options]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, errors="replace"
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
            raise UserError(
                f"{converter.name} fails for {name}: {last}",
                "Update llama.cpp: it may not know this family. Nothing was written",
            )
        files.append(_checked(file, folder, converter))
    return files


def _checked(file: Path, folder: Path, converter: Path) -> Path:
    """Return the file that was written. Newer converters put a prefix before the name of mmproj."""
    if not file.is_file():
        others = [path for path in folder.glob(f"*{file.name}") if path.is_file()]
        if len(others) == 1:
            others[0].rename(file)
    if not _is_gguf(file):
        raise UserError(
            f"{converter.name} wrote no GGUF file {file.name}", "Update llama.cpp. Nothing was kept"
        )
    return file


def _is_gguf(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC
