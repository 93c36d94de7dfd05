"""Verifies and parses what forges send, and answers pull requests."""
