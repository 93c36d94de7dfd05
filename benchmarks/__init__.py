"""How fast SkyRay is, beside floors measured in the same run. `make bench`, or `python -m benchmarks [name...]`."""
