"""A cycle and what it is made of: read, look, plan, commit, push."""
