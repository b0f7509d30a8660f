"""Drafts of forms in several instances of the interface at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepsynth_tui.tui.forms.drafts import OwnDraft, draft_path, load_draft

INSTANCE = """
import sys
from pathlib import Path
from deepsynth_tui.tui.forms.drafts import OwnDraft
draft = OwnDraft(Path(sys.argv[1]), "training")
print(draft.number, draft.load().get("name"), flush=True)
draft.save({"kind": "training", "name": sys.argv[2]})
print("saved", flush=True)
sys.stdin.read()
"""


@contextmanager
def instance(home: Path, name: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a process that opens a draft and saves `name`; yield it and what it found."""
    command = [sys.executable, "-c", INSTANCE, str(home), name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        opened = process.stdout.readline().strip()
        assert process.stdout.readline().strip() == "saved"
        yield process, opened
        process.kill()


def test_two_instances_keep_a_draft_each_and_a_killed_one_leaves_its_own(home: Path) -> None:
    with instance(home, "first") as (first, opened):
        assert opened == "1 None"
        with instance(home, "second") as (_, opened):
            assert opened == "2 first", "it begins with the settings of the first"
            assert load_draft(home, "training")["name"] == "first"
            assert "second" in draft_path(home, "training", 2).read_text()
            first.kill()
            first.wait()
            third = OwnDraft(home, "training")
            assert (third.number, third.load()["name"]) == (1, "first")
            third.close()
    own = OwnDraft(home, "training")
    assert own.number == 1
    own.close()


def test_drafts_of_both_kinds_are_independent(home: Path) -> None:
    training, dataset = OwnDraft(home, "training"), OwnDraft(home, "dataset")
    assert (training.number, dataset.number) == (1, 1)
    training.close()
    dataset.close()


def test_a_home_that_cannot_be_written_has_a_draft_without_a_lock(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    draft = OwnDraft(blocked / "home", "training")
    assert draft.number == 1
    draft.close()
