"""The most telling checks of the training stack on a GPU, within ten minutes; see EXPECTED.md."""
