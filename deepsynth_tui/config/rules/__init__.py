"""Rules between fields: faults that no field can detect alone, all reported at once."""

from __future__ import annotations

from collections.abc import Collection

from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.rules.dataset import DATASET_RULES
from deepsynth_tui.config.rules.training import TRAINING_RULES
from deepsynth_tui.config.training import TrainingConfig


def broken_rules(
    config: Config, invalid_keys: Collection[str] = (), *, estimate_only: bool = False
) -> list[Problem]:
    """Return a problem for each rule that `config` breaks, in the order of the rules.

    Args:
        config: The configuration to check.
        invalid_keys: Dotted keys whose value in `config` is a default that replaces an invalid
            value. Rules that depend on one of them are skipped.
        estimate_only: Skip the rules that only prevent a start.
    """
    rules = TRAINING_RULES if isinstance(config, TrainingConfig) else DATASET_RULES
    return [
        Problem(rule.keys[0], rule.message.replace("{}", str(cause)), rule.hint)
        for rule in rules
        if not (estimate_only and rule.blocks_start_only)
        and not any(key in invalid_keys for key in rule.keys)
        and (cause := rule.is_broken(config))
    ]
