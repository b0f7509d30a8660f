"""The form screens without widgets: values, drafts, help texts, suggestions."""
