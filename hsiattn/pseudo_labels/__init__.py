"""Pseudo-labels: class probabilities of unlabelled pixels, on which a network is trained beside the labelled ones.

A few labels do not train a network. But discriminants fitted in closed form need few, and the unlabelled pixels around
them show how spectra scatter within a field and where fields end. Both together label thousands of pixels.

The steps: `region` reads the pixels around the labels; `views` are transforms of their spectra, on the pixel and
averaged over its surroundings (`diffusion`), with a classifier each (`discriminants`); `cross_validation` predicts
whole groups of labels that were left out; `stacking` weights the views by that; `self_labelling` lets them learn
from unlabelled pixels that they are certain of; `labelling` puts all of it together.
"""

from hsiattn.pseudo_labels.labelling import PseudoLabels, PseudoLabelSettings, pseudo_label
from hsiattn.pseudo_labels.region import SceneRegion, read_region

__all__ = [
    "PseudoLabelSettings",
    "PseudoLabels",
    "SceneRegion",
    "pseudo_label",
    "read_region",
]
