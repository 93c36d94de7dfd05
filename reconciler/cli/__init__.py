"""The `skyray` command line: a module for each command, which reads, calls `service`, and prints."""
