"""The layouts of rows that other projects write: one module for each."""
