"""Kubernetes manifests: strict YAML in, exact YAML out, quantities, identities, what a scheduler sees of a pod."""
