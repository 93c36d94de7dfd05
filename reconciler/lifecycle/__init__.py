"""What happens to a group that has a place: kept, updated, finished, taken away. Pure."""
