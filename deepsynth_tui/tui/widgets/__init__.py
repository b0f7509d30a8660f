"""Parts of screens. They get data and send messages, and know neither screens nor application."""
