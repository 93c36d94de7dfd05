"""Runs the planner: the reconcile cycle, and what commands ask for (checks, overviews, policy trials)."""
