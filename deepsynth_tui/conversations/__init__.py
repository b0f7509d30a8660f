"""Rows of any dataset as conversations: pages, questions and answers.

`dataset.read` yields the conversations of a dataset, `dataset.open_dataset` gives them by index.
"""
