"""Explanations of what a trained network decides by: attention, attribution, and how far attention may be trusted.

`attention` gives the weights that the network itself puts on bands and neighbours; `attribution` what a decision rests
on, seen from outside: integrated gradients and occlusion; `deletion` whether the network needs what it attends to.
"""
