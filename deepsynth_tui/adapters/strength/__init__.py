"""An adapter at several strengths: what it gains on its task, and what the base model loses."""
