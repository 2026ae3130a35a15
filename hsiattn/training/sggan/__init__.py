"""SGGAN: a network that tells classes, and real pixels from made ones, and labels pixels for itself in rounds.

After Wang, Xu, Xu, An, Zhang and Dai 2019, arXiv 1908.03850. Only the abstract and the beginning of the paper are
public to us: formulas and schedule are a reconstruction. Unlabelled pixels take part in three ways.

- The network is to find them real, and what a generator makes not: K + 1 classes as of Salimans et al. 2016 (`losses`).
- The generator learns to make pixels whose features are distributed as theirs (`generator`, `module`).
- Those that the network is sure of, and finds real, train it further under the labels that it gave them, in rounds
  between which the network becomes deeper (`growing`, `rounds`, `hsiattn.networks.grown`).
"""

from __future__ import annotations

from hsiattn.training.sggan.method import SGGANTraining

__all__ = ["SGGANTraining"]
