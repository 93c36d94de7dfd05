"""Reads and writes the fleet repository through git: trees, history, commits, and pushes as a compare-and-swap.

Callers open a `repository.GitRepo`; the loop writes by `publish.publish_loop`.
"""
