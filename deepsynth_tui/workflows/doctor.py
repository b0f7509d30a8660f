"""What this machine has and lacks for the job, found out by trying."""

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
FREE_GB_WANTED = 20
"""Room for a 3B model's weights, its checkpoints and a dataset."""
TORCH_REPORT = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"built_for": torch.version.cuda, "devices": names,
                  "bf16": cuda and torch.cuda.is_bf16_supported()}))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `state` is ok, note or FAIL, in words that need no colour."""

    state: str
    subject: str
    text: str

    @property
    def fatal(self) -> bool:
        """Whether the program cannot do its job because of it."""
        return self.state == "FAIL"

    def __str__(self) -> str:
        return f"{self.state:<6}{self.subject:<14}{self.text}"


def examine(home: Path) -> list[Finding]:
    """Look at packages, the home folder, disk, GPU, PyTorch, Hub login, terminal and fonts."""
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
            "FAIL", name, f"not installed; install deepsynth-tui again, or pip install {name}"
        )


def _home(home: Path) -> Finding:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=home):
            pass
    except OSError as error:
        advice = "set DEEPSYNTH_HOME to a folder you may write to"
        return Finding("FAIL", "home", f"{home}: {error.strerror}; {advice}")
    return Finding("ok", "home", str(home))


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free / 2**30
    if free < FREE_GB_WANTED:
        return Finding(
            "note", "disk", f"{free:.1f} GB free; {FREE_GB_WANTED} GB hold a 3B model's run"
        )
    return Finding("ok", "disk", f"{free:.0f} GB free")


def _gpu() -> Finding:
    from deepsynth_tui.machine import nvml

    probe = nvml.probe()
    if not probe.devices:
        return Finding("note", "GPU", f"none: {probe.reason}; training runs on the CPU")
    found = (
        f"{device.name} ({device.free / 2**30:.1f} of {device.total / 2**30:.1f} GB free)"
        for device in probe.devices
    )
    return Finding("ok", "GPU", f"{', '.join(found)}; driver {probe.driver}")


def _torch() -> Finding:
    """Ask a child process: PyTorch takes seconds to import and may crash with a broken driver."""
    done = subprocess.run(
        [sys.executable, "-c", TORCH_REPORT], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Finding("FAIL", "PyTorch", f"does not start: {last}")
    report = json.loads(done.stdout)
    if report["devices"]:
        precision = "bfloat16" if report["bf16"] else "no bfloat16: set training.fp16"
        return Finding("ok", "CUDA", f"{report['built_for']}, {precision}")
    if report["built_for"]:
        return Finding("note", "CUDA", f"built for {report['built_for']}, but sees no GPU")
    return Finding("note", "CUDA", "this PyTorch is built for the CPU only")


def _hub() -> Finding:
    from huggingface_hub import get_token

    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return Finding("note", "Hub", "HF_HUB_OFFLINE=1: only what is in the cache can be used")
    if get_token() is None:
        return Finding(
            "note", "Hub", "not logged in: fine for public models; `hf auth login` for others"
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
        f"for {drawn}; none for {', '.join(missing)}: apt install {packages}, or put Noto fonts "
        "into ~/.local/share/fonts",
    )


def _terminal() -> Finding:
    size = shutil.get_terminal_size()
    term = os.environ.get("TERM", "not set")
    if size.columns < 80 or size.lines < 24:
        return Finding(
            "note", "terminal", f"{size.columns}x{size.lines} ({term}); made for 80x24 up"
        )
    return Finding("ok", "terminal", f"{size.columns}x{size.lines} ({term})")
