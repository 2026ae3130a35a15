"""Tiny products of imaging spectrometers, written to the layouts that their producers publish.

`python -m scripts.benchmarks.products` prints what each says and what the package reads of it; the tests and the fuzz
benchmark read them too. No function of the package takes part in writing them.
"""
