"""Decisions as files: cluster directories, decision records, what Argo CD and Flux apply. Pure."""
