"""No fonts but the embedded one, whatever this machine has: pages are the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


# Of the package: what outlives a test, such as a Ray cluster, has the same fonts.
@pytest.fixture(autouse=True, scope="package")
def _no_installed_fonts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    empty = str(tmp_path_factory.mktemp("no-fonts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_DIRS", empty)
        patch.setenv("XDG_DATA_HOME", empty)
        yield
