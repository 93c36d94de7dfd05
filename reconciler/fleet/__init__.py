"""Which clusters there are, and what is on them: inventory, snapshots, and the observers that fill them."""
