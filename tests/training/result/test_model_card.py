"""The model card: its code is run as it stands, by another process."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepsynth_tui.builtin import TINY_VLM
from deepsynth_tui.training.result.usage_code import required_packages, usage_code
from tests.training.conftest import Ran, Run
from tests.training.small_datasets import row, write
from tests.training.small_models import document_model
from tests.training.small_models import language_model as make_language_model

FULL = {"lora__enabled": False}


def _code(folder: Path) -> str:
    return (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]


def _result(ran: Ran) -> Path:
    return ran.run.adapter if ran.run.adapter.exists() else ran.run.path / "model"


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "limits": (
        None,
        {"model__max_pixels": 8_000, "training__bf16": True, "model__dtype": "bfloat16"},
    ),
    "image-full": (None, FULL),
    "text": (make_language_model, {}),
    "text-full-no-template": (
        lambda folder: make_language_model(folder, chat_template=False),
        FULL,
    ),
    "4-bit": (None, {"quantization__enabled": True}),
    "ocr": (document_model, {"model__max_pixels": 8_000}),
}
# One process for all of them: importing torch takes longer than everything else.
RUN_ALL = """
import contextlib, io, json, os, sys
outputs = {}
for case, code in json.loads(sys.stdin.read()).items():
    os.chdir(case)
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        exec(code, {})
    outputs[case] = stdout.getvalue().removesuffix("\\n")
assert not any(name.startswith("deepsynth_tui") for name in sys.modules)
sys.stderr.write("OUTPUTS" + json.dumps(outputs))
"""


@pytest.mark.slow
def test_its_code_gives_the_answers_of_the_run(run: Run, tmp_path: Path) -> None:
    rows = [row(number, side=100) for number in range(10)]
    data = str(write(tmp_path / "data", rows))
    codes: dict[str, str] = {}
    expected: dict[str, str] = {}
    for case, (make, changes) in CASES.items():
        model = {"model__name_or_path": str(make(tmp_path / f"{case}-base"))} if make else {}
        ran = run(**changes, **model, data__path=data, data__max_length=2048, training__max_steps=6)
        assert ran.verdict == "completed", ran.failure
        sample = ran.of("sample")[-1].data
        folder = tmp_path / case
        folder.mkdir()
        page = next(r for r in rows if r["target"] == sample["target"])["images"][0]["bytes"]
        Image.open(io.BytesIO(page)).save(folder / "page.png")
        codes[str(folder)] = _code(_result(ran))
        expected[str(folder)] = sample["output"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN_ALL],
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.rpartition("OUTPUTS")[2]) == expected


@pytest.mark.slow
def test_a_processor_of_videos_needs_torchvision(run: Run) -> None:
    ran = run(model__name_or_path=TINY_VLM, data__max_length=512, training__max_steps=1)
    card = (ran.run.adapter / "README.md").read_text()
    assert "torchvision" in card.split("pip install")[1].splitlines()[0]
    code = _code(ran.run.adapter)
    compile(code, "card", "exec")
    assert f'locate("{TINY_VLM}")' in code


def test_the_code_of_other_runs() -> None:
    lineage: dict[str, Any] = {
        "base": {"name": "org/base", "path": "org/base", "commit": "abc", "reads_images": True},
        "config": {
            "lora": {"enabled": True, "modules_to_save": ["embed_tokens"]},
            "model": {
                "dtype": "bfloat16",
                "attn_implementation": "sdpa",
                "trust_remote_code": True,
            },
            "quantization": {"enabled": True, "bits": 8},
            "training": {"bf16": False, "fp16": True},
        },
        "usage": {
            "location": "me/adapter",
            "messages": [{"role": "user", "content": {"file": "document.txt"}}],
            "prompt": None,
            "instruction": "Read.",
            "pages": 2,
            "min_pixels": 100,
            "max_pixels": 200,
            "add_special_tokens": True,
            "pad_token_id": 0,
            "eos_token_id": [1, 2],
            "max_new_tokens": 48,
            "reads_videos": True,
        },
    }
    code = usage_code(lineage)
    compile(code, "card", "exec")
    for part in (
        '"org/base"',
        'revision="abc"',
        "load_in_8bit=True",
        'llm_int8_skip_modules=["lm_head", "embed_tokens"]',
        "trust_remote_code=True",
        'folder = "me/adapter"',
        "page-2.png",
        "Image.Resampling.LANCZOS",
        'Path("document.txt").read_text(encoding="utf-8")',
        "dtype=torch.float16):",
    ):
        assert part in code
    assert {"bitsandbytes", "torchvision", "pillow"} <= set(required_packages(lineage))
    usage = lineage["usage"] | {"unquantized_modules": ["model.visual", "lm_head"]}
    usage |= {"template_options": {"enable_thinking": False}, "prompt_suffix": "\n</think>\n\n"}
    newer = usage_code({**lineage, "usage": usage})
    compile(newer, "card", "exec")
    assert "tokenize=False, enable_thinking=False\n" in newer
    assert r"prompt += '\n</think>\n\n'" in newer
    assert 'llm_int8_skip_modules=["model.visual", "lm_head"]' in newer
    with_encoder = usage_code({**lineage, "text_encoder": {"name": "org/encoder"}})
    compile(with_encoder, "card", "exec")
    assert "try_out" in with_encoder
    assert "instruction='Read.'" in with_encoder
