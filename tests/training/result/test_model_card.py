"""The model card: what it says to do is done here."""

from __future__ import annotations

from typing import Any

import pytest
from peft import PeftModel
from transformers import PreTrainedModel

from deepsynth_tui.builtin import TINY_VLM
from tests.training.conftest import Run


@pytest.mark.slow
@pytest.mark.parametrize("base", [None, TINY_VLM])
@pytest.mark.parametrize(("lora", "kind"), [(True, PeftModel), (False, PreTrainedModel)])
def test_its_code_loads_what_was_trained(
    run: Run, base: str | None, lora: bool, kind: type[Any]
) -> None:
    changes = {"model__name_or_path": base} if base else {}
    ran = run(training__max_steps=1, data__max_length=512, lora__enabled=lora, **changes)
    folder = ran.run.adapter if lora else ran.run.path / "model"
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert ("locate(" in code) == (lora and base is not None)
    loaded: dict[str, Any] = {}
    exec(code.replace("path/to/this/folder", str(folder)), loaded)
    assert isinstance(loaded["model"], kind)
