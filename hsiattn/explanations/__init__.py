"""Explanations of what a trained network decides by: attention, attribution, and how far attention may be trusted.

`attention` gives the weights that the network itself puts on bands and neighbours.
"""
