"""Containers of rows: files and folders as other projects write them, opened as rows by index."""
