"""The stories that `skyray demo` plays: their data (`stories`), and how they are played (`play`)."""
