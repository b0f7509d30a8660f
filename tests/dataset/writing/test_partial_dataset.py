"""Resuming a partial dataset: what is kept, what is written again, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import FlawError, OutputError, SettingsChanged, SourceChanged
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write

SHARD = {"shard_size": 4, "eval_fraction": 0.3}
KILLS = 10


def stopped(tmp_path: Path, settings: DatasetConfig, *, after: int = 14) -> Path:
    """Stop a dataset after `after` documents; return the folder of its shards."""
    recorder = Recorder(stop="stop", stop_after=after)
    assert generate(settings, tmp_path / "out", recorder) == "stopped"
    return tmp_path / "out.partial" / SHARDS


def kill(settings: DatasetConfig, folder: Path, step: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.dataset.writing.killed"]
    argv += [settings.model_dump_json(), str(folder), str(step)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_a_run_killed_at_any_change_to_a_file_resumes_to_the_same_bytes(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", {**numbered(18), "blank": "", "again": "Document 1."})
    settings = config(source, output=SHARD)
    complete = kill(settings, tmp_path / "complete", 0)
    changes = int(complete.stdout)
    expected = files(tmp_path / "complete")
    assert changes > 3 * KILLS
    folder = tmp_path / "out"
    # Steps all over the run, and the last ones: files get their final names, then the folder.
    steps = [*range(1, changes - 4, changes // (KILLS - 3)), *range(changes - 3, changes + 1)]
    for step in steps:
        assert kill(settings, folder, step).returncode == -signal.SIGKILL
        recorder = Recorder()
        assert generate(settings, folder, recorder) == "completed"
        assert files(folder) == expected
        # Once all shards are finished, even if some have been moved, none is written again.
        assert step < changes - 3 or recorder.done[:1] in ([(20, 20)], [])
        folder.rename(tmp_path / f"after-{step}")


def test_a_run_killed_repeatedly_completes(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(12))
    settings = config(source, output=SHARD)
    folder = tmp_path / "out"
    exit_codes = [kill(settings, folder, step).returncode for step in (3, 9, 14, 19, 999)]
    assert exit_codes == [-signal.SIGKILL] * 4 + [0]
    generate(settings, tmp_path / "complete", Recorder())
    assert files(folder) == files(tmp_path / "complete")


@pytest.mark.parametrize("num_proc", [1, 2])
def test_finished_shards_are_kept_and_damaged_ones_are_written_again(tmp_path: Path, num_proc: int):
    source = write(tmp_path / "a.jsonl", numbered(40))
    settings = config(source, output=SHARD)
    shards = stopped(tmp_path, settings)
    finished = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.parquet")}
    assert len(finished) >= 2
    damaged = shards / "train-00000.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1])

    resumed = config(source, output=SHARD, num_proc=num_proc)
    recorder = Recorder()
    assert generate(resumed, tmp_path / "out", recorder) == "completed"
    kept = 4 * (len(finished) - 1)
    assert recorder.done[0] == (kept, 40)
    assert recorder.done[-1] == (40, 40)
    times = {path.stat().st_mtime_ns for path in (tmp_path / "out" / "data").iterdir()}
    undamaged = {time for name, time in finished.items() if name != damaged.name}
    assert undamaged <= times
    assert finished[damaged.name] not in times
    generate(settings, tmp_path / "complete", Recorder())
    assert files(tmp_path / "out") == files(tmp_path / "complete")


def test_temporary_files_of_killed_processes_are_removed(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(40))
    shards = stopped(tmp_path, config(source, output=SHARD))
    (shards / ".train-00009.parquet.gone-1").write_bytes(b"half")
    stopped(tmp_path, config(source, output=SHARD))
    assert not list(shards.glob(".*"))


def test_a_complete_dataset_is_not_generated_again(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(5))
    generate(config(source), tmp_path / "out", Recorder())
    before = files(tmp_path / "out")
    # As if killed right after the folder got its name.
    (tmp_path / "out" / SHARDS).mkdir()
    recorder = Recorder()
    assert generate(config(source, num_proc=2), tmp_path / "out", recorder) == "completed"
    assert recorder.phases == ["reading", "done"]
    assert files(tmp_path / "out") == before
    assert not (tmp_path / "out" / SHARDS).exists()
    with pytest.raises(OutputError, match="already exists") as caught:
        generate(config(source, instruction="Read."), tmp_path / "out", Recorder())
    assert "instruction: none -> Read." in caught.value.message


def test_another_folder_in_place_of_the_partial_dataset_is_left_alone(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(5))
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"out\.partial already exists"):
        generate(config(source), tmp_path / "out", Recorder())
    assert (tmp_path / "out.partial" / "mine.txt").read_text() == "mine"


def test_shards_of_another_release_are_refused(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(40))
    stopped(tmp_path, config(source, output=SHARD))
    path = tmp_path / "out.partial" / "manifest.json"
    path.write_text(path.read_text().replace('"deepsynth-tui ', '"deepsynth-tui 0.0.'))
    with pytest.raises(SettingsChanged, match=r"made with: deepsynth-tui 0\.0\."):
        generate(config(source, output=SHARD), tmp_path / "out", Recorder())


def test_changed_settings_are_refused_line_by_line(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(40))
    stopped(tmp_path, config(source, output=SHARD))
    changes: dict[str, Any] = {
        "page": {"width": 200, "height": 200, "margin": 9, "font_size": 16},
        "output": {**SHARD, "shard_size": 5},
        "flaws": {"empty": "stop"},
    }
    with pytest.raises(SettingsChanged) as caught:
        generate(config(source, **changes), tmp_path / "out", Recorder())
    assert caught.value.message.splitlines()[1:] == [
        "page.margin: 8 -> 9",
        "flaws.empty: drop -> stop",
        "output.shard_size: 4 -> 5",
    ]


def test_settings_that_do_not_affect_shards_may_change(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(40))
    stopped(tmp_path, config(source, output=SHARD))
    changed = config(source, output={**SHARD, "hub_repo_id": "a/b"}, num_proc=2, name="new")
    recorder = Recorder()
    assert generate(changed, tmp_path / "out", recorder) == "completed"
    assert recorder.done[0][0] > 0


def test_a_run_stopped_by_a_flaw_resumes_once_the_flaw_is_allowed(tmp_path: Path):
    texts = {**numbered(18), "boxes": "Two of 日本.", "end": "The end."}
    source = write(tmp_path / "a.jsonl", texts)
    output = {"shard_size": 4}
    with pytest.raises(FlawError, match="document boxes has 2 characters") as caught:
        generate(config(source, output=output), tmp_path / "out", Recorder())
    assert "日 (U+65E5)" in caught.value.message
    assert "flaws.missing_glyphs to drop or keep" in caught.value.advice
    assert caught.value.key == "flaws.missing_glyphs"

    for policy in ("keep", "drop"):
        allowed = config(source, output=output, flaws={"missing_glyphs": policy})
        generate(allowed, tmp_path / policy, Recorder())
    recorder = Recorder()
    allowed = config(source, output=output, flaws={"missing_glyphs": "drop"})
    assert generate(allowed, tmp_path / "out", recorder) == "completed"
    assert recorder.done[0][0] == 16
    assert recorder.results["documents"] == 19
    assert files(tmp_path / "out") == files(tmp_path / "drop") != files(tmp_path / "keep")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"d2": "Another text."}, "document d2 has changed or moved"),
        ({"d2": None}, "document d3 has changed or moved"),
    ],
)
def test_a_changed_source_is_refused_with_its_first_changed_document(
    tmp_path: Path, changed: dict[str, str | None], named: str
):
    before = numbered(40)
    source = write(tmp_path / "a.jsonl", before)
    settings = config(source, output={"shard_size": 4})
    stopped(tmp_path, settings)
    now = {name: text for name, text in {**before, **changed}.items() if text is not None}
    write(source, now)
    with pytest.raises(SourceChanged, match=named):
        generate(settings, tmp_path / "out", Recorder())
    write(source, before)
    assert generate(settings, tmp_path / "out", Recorder()) == "completed"


def test_a_shortened_source_is_refused(tmp_path: Path):
    before = numbered(40)
    source = write(tmp_path / "a.jsonl", before)
    settings = config(source, output={"shard_size": 4})
    stopped(tmp_path, settings)
    for left in (4, 6):
        write(source, dict(list(before.items())[:left]))
        with pytest.raises(SourceChanged):
            generate(settings, tmp_path / "out", Recorder())


def test_no_shard_is_written_before_the_source_is_checked(tmp_path: Path):
    before = numbered(40)
    source = write(tmp_path / "a.jsonl", before)
    settings = config(source, output={"shard_size": 4})
    shards = stopped(tmp_path, settings)
    for path in shards.glob("train-00000.*"):
        path.unlink()
    write(source, {**before, "d1": "Another.", "d6": "Another."})
    with pytest.raises(SourceChanged, match="document d6"):
        generate(settings, tmp_path / "out", Recorder())
    assert not (shards / "train-00000.parquet").exists()


def test_a_killed_run_with_two_processes_resumes(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(600, "Document {}. " + "word " * 30))
    settings = config(source, output={"shard_size": 20}, num_proc=2)
    argv = [sys.executable, "-m", "tests.dataset.writing.killed", settings.model_dump_json()]
    shards = tmp_path / "out.partial" / SHARDS
    with subprocess.Popen([*argv, str(tmp_path / "out"), "0"], stdout=subprocess.PIPE) as process:
        while process.poll() is None and len(list(shards.glob("*.json"))) < 4:
            os.sched_yield()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    recorder = Recorder()
    assert generate(settings, tmp_path / "out", recorder) == "completed"
    assert recorder.done[0][0] >= 80
    generate(config(source, output={"shard_size": 20}), tmp_path / "complete", Recorder())
    assert files(tmp_path / "out") == files(tmp_path / "complete")
