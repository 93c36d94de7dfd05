"""The pipeline from the repo's state to a plan: files, commits and warnings. Pure."""
