"""Screens and dialogs, one per module; all dialogs share `dialog.tcss`."""
