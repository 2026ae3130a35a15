"""SGGAN: a network that tells classes, and real pixels from made ones, and labels pixels for itself in rounds."""

from hsiattn.training.sggan.method import SGGANTraining

__all__ = ["SGGANTraining"]
