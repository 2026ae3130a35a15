"""Pruning while training: units that matter least go, until the network costs what it may cost."""
