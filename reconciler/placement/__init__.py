"""Where a group goes: grouping, the room of each cluster, the fit, the choice and its reasons. Pure."""
