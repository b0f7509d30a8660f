"""Rows of any dataset as conversations: pages, questions and answers."""
