"""Turns decisions into files: cluster directories, Placement records, and what Argo CD and Flux apply. Pure."""
