"""The declaration of every setting of a hyperparameter search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from deepsynth_tui.config.setting import SectionInfo, Settings, setting

Direction = Literal["minimize", "maximize"]
METRICS: Mapping[str, Direction] = {
    "eval_loss": "minimize",
    "eval_cer": "minimize",
    "eval_rouge_l": "maximize",
    "eval_exact_match": "maximize",
}
"""The metrics of an evaluation, and which way is better."""
OF_ANSWERS = ("eval_cer", "eval_rouge_l", "eval_exact_match")
"""Those of generated answers: there are none with `training.generate_eval_samples: 0`."""
ON_RESUME = ("trials", "max_hours", "max_cost", "output")
"""What `search CONFIG --resume` may change."""


class SearchOutput(Settings):
    """Where the search and its trials are written."""

    section = SectionInfo(summary="{dir}", preset_resets=False)

    dir: str | None = setting(
        None,
        label="Search folder",
        help="Folder of the search; none: a new folder among the searches of this machine.",
        placeholder="a new folder among the searches",
    )


class SearchConfig(Settings):
    """A search for the best settings of a training run."""

    kind: Literal["search"] = "search"
    name: str = setting("my-search", label="Name", help="Name of the search and of its trials.")
    base: str = setting(
        "",
        label="Base",
        help="YAML file of the training run to tune; relative to the file of the search.",
    )
    parameters: dict[str, dict[str, bool | int | float] | list[Any]] = setting(
        {},
        label="Parameters",
        help="Settings to try, by their dotted key: a list of values, or {low, high, log, points}. "
        "None: training.learning_rate from a tenth to ten times that of the base, log.",
    )
    method: Literal["tpe", "random", "grid"] = setting(
        "tpe",
        label="Method",
        help="How values are chosen: tree-structured Parzen estimator, at random, or every "
        "combination.",
    )
    pruner: Literal["halving", "median", "none"] = setting(
        "halving",
        label="Pruner",
        help="When a trial is stopped early: successive halving, worse than the median of the "
        "trials before it, or never.",
    )
    metric: Literal["eval_loss", "eval_cer", "eval_rouge_l", "eval_exact_match"] = setting(
        "eval_loss", label="Metric", help="What decides which trial is best."
    )
    trials: int | None = setting(
        None,
        label="Trials",
        help="Number of trials; none: 8, or every combination of a grid.",
        placeholder="8, or the whole grid",
        ge=1,
    )
    max_hours: float | None = setting(
        None, label="Hours", help="Stop the search after so many hours.", unit="hours", gt=0.0
    )
    max_cost: float | None = setting(
        None,
        label="Cost",
        help="Stop the search once its trials have cost so much, by the prices of the GPU "
        "catalogue.",
        unit="dollars",
        gt=0.0,
    )
    seed: int = setting(42, label="Seed", help="Seed of the values that are chosen.", ge=0)
    output: SearchOutput = SearchOutput()
