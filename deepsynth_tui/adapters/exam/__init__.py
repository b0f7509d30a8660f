"""Adapters and their base examined on pages: answers, metrics, intervals, differences."""
