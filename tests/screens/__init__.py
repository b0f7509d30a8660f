"""Every screen in every state, for tests that walk them and for pictures."""
