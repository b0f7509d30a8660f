"""`builtin:` names: their paths, and the lists of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.builtin import DOCUMENTS, ENCODERS, NAMES, TINY_VLM, UnknownBuiltin, locate
from deepsynth_tui.tui.forms import suggestions


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_path(home: Path, name: str) -> None:
    assert Path(locate(name)).exists()
    assert locate(name) == locate(name)


def test_other_names() -> None:
    assert locate("org/model") == "org/model"
    with pytest.raises(UnknownBuiltin) as raised:
        locate("builtin:huge")
    assert all(name in str(raised.value) for name in NAMES)


def test_the_forms_suggest_them() -> None:
    assert TINY_VLM in suggestions.model_names()
    assert set(ENCODERS) < set(suggestions.encoder_names())
    assert tuple(DOCUMENTS) == suggestions.BUILTIN_DOCUMENTS
