"""Adapters are tried on the small models of the training tests."""

from __future__ import annotations

from tests.training.conftest import dataset, run, values, vision_model

__all__ = ["dataset", "run", "values", "vision_model"]
