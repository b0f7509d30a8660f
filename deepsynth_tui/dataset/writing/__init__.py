"""Drawn documents to a dataset on disk and on the Hub."""
