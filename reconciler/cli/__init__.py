"""The `skyray` command, one module a command."""
