"""The command line as scripts use it: output, exit codes, all problems at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.control import stop_and_wait
from deepsynth_tui.runs.directory import create_run, list_runs
from deepsynth_tui.runs.job import Failure, Job, JobFailed, run_job
from tests.training.small_datasets import row, write


def command(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "deepsynth_tui", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(
        "kind: training\nmodel: {name_or_path: builtin:tiny-vlm}\ndata: {path: pages}\n"
    )
    return path


def test_without_a_terminal_the_interface_says_what_to_do():
    assert "needs a terminal" in command(code=2).stderr


def test_keys_are_listed_with_their_names_and_with_what_was_changed(home: Path):
    home.mkdir()
    (home / "interface.yaml").write_text("keymap: {runs.sort: K, runs.srot: w}\n")
    done = command("keys")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert " K (was o) " in lines["runs.sort"]
    assert " f5 " in lines["form.start"]
    assert "runs.srot: is not an action (did you mean runs.sort?)" in done.stderr


def test_five_mistakes_are_five_lines(config: Path):
    config.write_text(
        "kind: training\nlora: {r: 0, lora_alpah: 3}\ntraining: {optim: sdg}\n"
        "quantization: {bits: 5}\nmodle: {}\ndata: {path: x}\n"
    )
    lines = command("train", config, code=2).stderr.splitlines()
    assert len(lines) == 5
    assert all(line.startswith(f"{config}:") for line in lines)
    assert "did you mean lora.lora_alpha?" in lines[1]
    assert "did you mean model?" in lines[4]


def test_a_configuration_of_the_other_kind_is_sent_to_its_command(config: Path):
    assert "see train" in command("generate", config, code=2).stderr


def test_a_dataset_that_is_not_there_stops_the_run_before_it_exists(config: Path, home: Path):
    error = command("train", config, code=2).stderr
    assert "data.path" in error
    assert not (home / "runs").exists()


def test_wrong_column_names_those_that_exist(tmp_path: Path):
    (tmp_path / "docs.csv").write_text("id,body\n1,hello\n")
    path = tmp_path / "run.yaml"
    path.write_text(f"kind: dataset\nsource: {{path: {tmp_path}/docs.csv, text_column: story}}\n")
    error = command("generate", path, code=2).stderr
    assert "source.text_column" in error
    assert "body" in error


def test_a_dataset_goes_on_with_what_may_change_and_with_nothing_else(tmp_path: Path, home: Path):
    rows = [{"id": f"d{number}", "text": f"Document {number}."} for number in range(20)]
    rows.insert(15, {"id": "boxes", "text": "日本"})
    source = tmp_path / "docs.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "run.yaml"
    path.write_text(
        f"kind: dataset\nname: mine\nsource: {{path: {source}}}\npage: {{preset: tiny}}\n"
        "output: {shard_size: 5}\n"
    )
    stopped = command("generate", path, code=1)
    assert "document boxes has 2 characters" in stopped.stdout
    assert "--resume" in stopped.stdout
    (run,) = list_runs(home)

    refused = command("generate", path, "--resume", "--set", "instruction=Read.", code=2).stderr
    assert "instruction: none -> Read." in refused
    allowed = ["--set", "flaws.missing_glyphs=drop", "--set", "num_proc=2"]
    done = command("generate", path, "--resume", *allowed)
    assert "15/21 documents" in done.stdout
    assert list_runs(home) == [run]
    assert "missing_glyphs: drop" in run.config.read_text()
    assert json.loads((run.dataset / "report.json").read_text())["documents"] == 20
    again = command("generate", run.config, "--resume").stdout
    assert again.rpartition("starting\n")[2].splitlines()[1:] == [
        f"done {run.dataset}",
        "completed",
    ]


def test_an_engine_that_does_not_exist(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text("kind: dataset\nsource: {path: builtin:sample}\n")
    error = command("generate", path, "--engine", "spark", code=2).stderr
    assert "engine: must be one of local, ray, got spark" in error


def test_presets_are_listed_and_printed_as_they_are():
    listed = json.loads(command("presets", "--json").stdout)
    assert {"lora/qlora_4bit", "training/quick_test"} <= {
        f"{preset['group']}/{preset['name']}" for preset in listed
    }
    printed = command("presets", "lora/minimal").stdout
    assert printed.startswith("# ")
    assert load_text(printed + "kind: training\ndata: {path: x}\n").config
    assert "several presets have" in command("presets", "standard", code=2).stderr
    assert "no preset has" in command("presets", "huge", code=2).stderr


def test_schema_is_json_schema_with_help():
    schema = json.loads(command("schema", "training").stdout)
    assert schema["$defs"]["LoraSettings"]["properties"]["r"]["description"]
    assert "use one of training, dataset" in command("schema", "cooking", code=2).stderr


def test_estimate_prints_one_object_per_configuration(config: Path):
    done = command("estimate", config, config, "--json", "--set", "lora.r=8")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    for estimate in (first, second):  # free space changes between the two
        del estimate["storage"]["disk_free_bytes"], estimate["storage"]["memory_free_bytes"]
    assert first == second
    assert set(first) >= {
        "estimated_vram_gb",
        "trainable_params",
        "trainable_params_millions",
        "total_params",
        "gpu_fit",
        "speed_multiplier",
        "peak_allocated_bytes",
        "peak_device_bytes",
        "breakdown_bytes",
        "tokens_per_sample",
        "seconds_per_step",
        "cost",
        "source",
        "warnings",
    }
    assert {"T4 (16GB)", "RTX 3090 (24GB)", "A100 (40GB)", "A100 (80GB)"} <= set(first["gpu_fit"])
    wrong = command("estimate", config, "--set", "lora.exclude_modules=[o_prj]", code=2).stderr
    assert "lora.exclude_modules" in wrong
    assert "o_proj" in wrong


def test_gpus_lists_the_catalogue():
    listed = json.loads(command("gpus", "--json").stdout)
    assert len(listed["catalogue"]) >= 14
    assert "A100 (80GB)" in command("gpus").stdout


def test_runs_logs_and_stop_of_a_run_that_has_ended(home: Path):
    assert json.loads(command("runs", "--json").stdout) == []
    run = create_run(home, kind="training", name="mine", config_text="kind: training\n")
    run.console.write_bytes(b"one\x1b[31m red\x1b[0m\r\ntwo\n")

    def body(job: Job) -> str:
        job.metric(step=3, loss=1.5)
        return "completed"

    assert run_job(run.path, body, explain=lambda error: Failure("", str(error), "")) == 0
    (listed,) = json.loads(command("runs", "--json").stdout)
    assert (listed["id"], listed["state"], listed["last_step"]) == (run.id, "done", 3)
    assert listed["last_loss"] == 1.5
    assert (listed["predicted"], listed["measured"], listed["prediction_error"]) == (None, None, {})
    assert command("logs", "mine").stdout == "one red\ntwo\n"
    assert command("stop", run.id, code=1).stderr.startswith(run.id)
    assert "Did you mean" in command("logs", run.id[:-1] + "X", code=2).stderr


def test_doctor_finds_what_is_here():
    stdout = command("doctor").stdout
    assert "torch" in stdout
    assert "FAIL" not in stdout


def test_xray_shows_the_first_batch_and_makes_no_run(tmp_path: Path, home: Path):
    write(tmp_path / "pages", [row(number) for number in range(3)])
    config = tmp_path / "train.yaml"
    config.write_text(
        "kind: training\nmodel: {name_or_path: builtin:tiny-vlm}\n"
        f"data: {{path: {tmp_path / 'pages'}}}\n"
    )
    [first] = json.loads(command("train", config, "--xray", "--json").stdout)["rows"]
    assert first["features"] == (64 // 16) ** 2
    assert first["learned"].endswith("<|im_end|>")
    assert not list((home / "runs").glob("*"))


def test_retry_makes_the_change_that_the_error_names(home: Path, config: Path):
    text = load_text(config.read_text()).text
    failed = create_run(home, kind="training", name="my-run", config_text=text)
    changes = {"training.per_device_train_batch_size": 1, "model.max_pixels": 65536}

    def body(job: Job) -> str:
        raise JobFailed(Failure("OutOfMemoryError", "full", "lower it", changes))

    def explained(error: BaseException) -> Failure:
        return Failure(type(error).__name__, str(error), "")

    run_job(failed.path, body, explain=explained)
    done = command("train", failed.config, "--retry", "--set", "training.seed=7", "--detach")
    (new,) = [run for run in list_runs(home) if run != failed]
    stop_and_wait(new, grace=1)
    lines = done.stdout.splitlines()
    assert lines[0] == "model.max_pixels: null -> 65536"
    assert "training.seed: 42 -> 7" in lines
    assert new.id in lines
    config_now = load_text(new.config.read_text()).config
    assert isinstance(config_now, TrainingConfig)
    assert config_now.training.seed == 7

    extend = ("train", new.id, "--more-steps", "5")
    assert "no complete checkpoint" in command(*extend, code=1).stderr
    assert "do not go with --resume" in command(*extend, "--resume", code=2).stderr
    assert "exclude each other" in command(*extend, "--more-epochs", "1", code=2).stderr

    untouched = create_run(home, kind="training", name="other", config_text=text)
    run_job(untouched.path, lambda job: "completed", explain=explained)
    refused = command("train", untouched.config, "--retry", code=1).stderr
    assert "suggests no change" in refused
    wrong = command("train", failed.config, "--retry", "--set", "lora.r=0", code=2).stderr
    assert "lora.r" in wrong
