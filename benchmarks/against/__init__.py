"""Races this checkout against an older one: `python -m benchmarks.against REV`.

docs/performance.md explains the rows.
"""
