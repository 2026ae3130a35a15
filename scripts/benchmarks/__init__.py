"""Benchmarks of hsiattn: each is a package of its own that is run with `python -m` in the repository."""
