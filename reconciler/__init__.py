"""SkyRay: places Ray workloads on many Kubernetes clusters through Git."""

__version__ = "0.1.0"
