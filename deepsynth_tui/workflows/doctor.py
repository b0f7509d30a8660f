"""Check this machine: packages, home folder, disk, GPU, CUDA, Hub login, terminal, fonts."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from deepsynth_tui.runs.private_folder import make_private
from deepsynth_tui.units import GIB, format_bytes

PACKAGES = (
    "textual",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "datasets",
    "accelerate",
    "pillow",
)
WANTED_DISK_BYTES = 20 * GIB
"""Enough for the weights of a 3B model, its checkpoints and a dataset."""
TORCH_REPORT = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"built_for": torch.version.cuda, "devices": names,
                  "bf16": cuda and torch.cuda.is_bf16_supported(including_emulation=False)}))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `state` is "ok", "note" or "FAIL"."""

    state: str
    subject: str
    text: str

    @property
    def fatal(self) -> bool:
        """Whether the program cannot work without it."""
        return self.state == "FAIL"

    def __str__(self) -> str:
        return f"{self.state:<6}{self.subject:<14}{self.text}"


def examine(home: Path) -> list[Finding]:
    """Run every check."""
    return [
        Finding("ok", "python", sys.version.split()[0]),
        *(_package(name) for name in PACKAGES),
        _home(home),
        _disk(home),
        _gpu(),
        _torch(),
        _hub(),
        _terminal(),
        _fonts(),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding("ok", name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            "FAIL", name, f"not installed; reinstall deepsynth-tui, or pip install {name}"
        )


def _home(home: Path) -> Finding:
    try:
        make_private(home)
        with NamedTemporaryFile(dir=home):
            pass
    except OSError as error:
        advice = "set DEEPSYNTH_HOME to a writable folder"
        return Finding("FAIL", "home", f"{home}: {error.strerror}; {advice}")
    return Finding("ok", "home", str(home))


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if free < WANTED_DISK_BYTES:
        wanted = f"a run with a 3B model needs {format_bytes(WANTED_DISK_BYTES)}"
        return Finding("note", "disk", f"{format_bytes(free)} free; {wanted}")
    return Finding("ok", "disk", f"{format_bytes(free)} free")


def _gpu() -> Finding:
    from deepsynth_tui.machine import nvml
    from deepsynth_tui.machine.torch_build import installed_torch, unusable_gpu

    probe = nvml.probe()
    if unusable := unusable_gpu(probe, installed_torch()):
        return Finding("FAIL", "GPU", f"{unusable.reason}. {unusable.advice}")
    if not probe.devices:
        return Finding("note", "GPU", f"none: {probe.reason}; training runs on the CPU")
    gpus = (
        f"{device.name} ({format_bytes(device.free)} of {format_bytes(device.total)} free)"
        for device in probe.devices
    )
    names = f"{', '.join(gpus)}; driver {probe.driver}"
    if probe.reason:
        return Finding("note", "GPU", f"{names}. {probe.reason}")
    return Finding("ok", "GPU", names)


def _torch() -> Finding:
    """Check PyTorch in a child process: its import takes seconds and a broken driver crashes it."""
    done = subprocess.run(
        [sys.executable, "-c", TORCH_REPORT], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding("FAIL", "PyTorch", f"does not start: {last}")
    report = json.loads(done.stdout)
    if report["devices"]:
        precision = (
            "bfloat16"
            if report["bf16"]
            else "no bfloat16 but by slow emulation: a run needs float16, which `train` and the "
            "Training screen offer"
        )
        return Finding("ok", "CUDA", f"{report['built_for']}, {precision}")
    if report["built_for"]:
        return Finding("note", "CUDA", f"built for {report['built_for']}, but finds no GPU")
    return Finding("note", "CUDA", "this PyTorch is a CPU-only build")


def _hub() -> Finding:
    from huggingface_hub import get_token

    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return Finding("note", "Hub", "HF_HUB_OFFLINE=1: only the cache can be used")
    if get_token() is None:
        return Finding(
            "note", "Hub", "not logged in: public models only; log in with `hf auth login`"
        )
    return Finding("ok", "Hub", "logged in")


def _fonts() -> Finding:
    from deepsynth_tui.dataset.drawing.font_fallback import FontStack
    from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT_NAME
    from deepsynth_tui.dataset.drawing.font_packages import SCRIPTS, scripts_without_font

    missing = scripts_without_font(FontStack(BUNDLED_FONT_NAME, None))
    drawn = ", ".join(script for script in SCRIPTS if script not in missing)
    if not missing:
        return Finding("ok", "fonts", f"for {drawn}")
    packages = " ".join(dict.fromkeys(missing.values()))
    return Finding(
        "note",
        "fonts",
        f"for {drawn}; no font for {', '.join(missing)}: apt install {packages}, or put Noto fonts "
        "into ~/.local/share/fonts",
    )


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    term = os.environ.get("TERM", "not set")
    if size.columns < 80 or size.lines < 24:
        return Finding(
            "note", "terminal", f"{size.columns}x{size.lines} ({term}); the interface needs 80x24"
        )
    return Finding("ok", "terminal", f"{size.columns}x{size.lines} ({term})")
