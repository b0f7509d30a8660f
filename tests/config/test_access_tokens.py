"""An access token in a setting is refused, and repeated nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.config.access_tokens import has_token, hide_tokens
from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.tui.forms.drafts import draft_path, save_draft

TOKEN = "hf_" + "aB3" * 11


@pytest.mark.parametrize(
    "line",
    [
        f"data: {{path: x}}\noutput: {{hub_model_id: me/{TOKEN}}}",
        f"data: {{path: x}}\nhub_token: {TOKEN}",
        f"data: {{path: x}}\n{TOKEN}: 1",
        f"data: {{path: x}}\nlora: {{r: {TOKEN}}}",
        f"data: {{path: x}}\nlora: {{preset: {TOKEN}}}",
        f"data: {{path: {TOKEN}}}",
    ],
)
def test_problems_do_not_repeat_a_token(line: str):
    with pytest.raises(ConfigError) as caught:
        load_text(f"kind: training\n{line}\n")
    assert TOKEN not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load_text("kind: training\ndata: {path: x}\n", [f"output.dir={TOKEN}"])
    assert "HF_TOKEN" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_what_is_a_token():
    assert has_token(TOKEN)
    assert not any(map(has_token, ("hf_model", "org/hf_small-model", "a/b", "sk-learn")))
    assert hide_tokens(f"a {TOKEN} b") == "a hf_… b"


def test_draft_has_no_token(home: Path):
    save_draft(home, {"kind": "training", "output": {"hub_model_id": TOKEN}})
    assert TOKEN not in draft_path(home, "training").read_text()
