"""The stories that `skyray demo` plays: what happens in them (`stories`), and how one is played (`play`)."""
