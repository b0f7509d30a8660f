"""Rules between the datasets of a training run."""

from __future__ import annotations

from deepsynth_tui.config.rules.rule import Rule
from deepsynth_tui.config.training import TrainingConfig


def _without_path(config: TrainingConfig) -> str:
    return ", ".join(
        str(number) for number, item in enumerate(config.datasets, start=1) if not item.path
    )


def _evaluates_on_training_rows(config: TrainingConfig) -> bool:
    data = config.data
    eval_path, eval_split = data.eval_path or data.path, data.eval_split or data.split
    if data.eval_path is None and data.eval_split is None:
        return False
    if data.eval_path is not None and data.eval_split is None:
        return False  # the split is not known yet
    return any(
        (dataset.path, dataset.split, dataset.config) == (eval_path, eval_split, data.config)
        for dataset in config.all_datasets
    )


TRAINING_DATASET_RULES = (
    Rule(
        ("datasets", "data.path"),
        lambda c: bool(c.datasets and c.data.path),
        "data.path and datasets are mutually exclusive",
        "keep data.path for one dataset, or name it among datasets",
    ),
    Rule(
        ("datasets",),
        _without_path,
        "number {} has no path",
        "give each of them the path of a dataset",
    ),
    Rule(
        ("datasets",),
        lambda c: len({dataset.weight is None for dataset in c.datasets}) > 1,
        "some have a weight and some have none",
        "give all of them a weight, or none: then all rows are taken",
    ),
    Rule(
        ("data.eval_fraction", "data.eval_path", "data.eval_split"),
        lambda c: bool(c.data.eval_fraction and (c.data.eval_path or c.data.eval_split)),
        "rows are held out although there is a dataset or split to evaluate on",
        "set data.eval_fraction to 0, or leave data.eval_path and data.eval_split empty",
    ),
    Rule(
        ("data.eval_split", "data.eval_path", "datasets"),
        lambda c: bool(c.datasets and c.data.eval_split and not c.data.eval_path),
        "with several datasets, the split to evaluate on needs a path",
        "set data.eval_path",
    ),
    Rule(
        ("data.eval_split", "data.eval_path", "data.path", "data.split", "data.config", "datasets"),
        _evaluates_on_training_rows,
        "the rows to evaluate on would be those that are trained on",
        "choose another split or another dataset",
    ),
)
