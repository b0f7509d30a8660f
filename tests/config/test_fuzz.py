"""Whatever a configuration file holds: it is loaded, or refused with its problems."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.leaves import leaves
from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.config.training import TrainingConfig

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)
DEFAULTS: dict[str, dict[str, Any]] = {
    "training": TrainingConfig.model_validate(
        {"model": {"name_or_path": "m"}, "data": {"path": "d"}}
    ).model_dump(mode="json"),
    "dataset": DatasetConfig().model_dump(mode="json"),
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.dates()
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def changed(draw: st.DrawFn) -> str:
    """Return a configuration with other values, and perhaps with other characters."""
    kind = draw(st.sampled_from(sorted(DEFAULTS)))
    values = DEFAULTS[kind]
    keys = sorted(key for key, _ in leaves(values))
    for key in draw(st.lists(st.sampled_from(keys), min_size=1, max_size=3)):
        values = yaml_text.with_value(values, key, draw(VALUES))
    text = yaml.safe_dump(values)
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + draw(st.text(max_size=5)) + text[end:]
    return text


@EXAMPLES
@given(changed())
@example("kind: training\nlora: {r: !!binary AAAA}\n")
@example("kind: dataset\nrows: {characters: 1e400}\n")
@example("kind: [training]\n")
@example("? [a, b]\n: 1\n")
def test_any_values(text: str) -> None:
    for of_run in (False, True):
        with contextlib.suppress(ConfigError):
            load_text(text, of_run=of_run)


@EXAMPLES
@given(st.text(alphabet="ab:{}[]-&*!|>?%@`'\"#, \n\t0.~", max_size=60))
@example("&a [*a]")
@example("!!python/object/apply:os.system [false]")
@example("\t")
def test_any_text(text: str) -> None:
    with pytest.raises(ConfigError):
        load_text(text)
