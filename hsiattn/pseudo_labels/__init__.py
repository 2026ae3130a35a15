"""Pseudo-labels: class probabilities of unlabelled pixels, on which a network is trained beside the labelled ones.

A few labels do not train a network. But discriminants fitted in closed form need few, and the unlabelled pixels around
them show how spectra scatter within a field and where fields end. Both together label thousands of pixels.

The steps: `region` reads the pixels around the labels; `views` are several feature sets of their spectra, each with
discriminants; `cross_validation` scores every view on left-out labels; `stacking` weights the best ones; `diffusion`
smooths probabilities between similar neighbours; `labelling` puts all of it together.
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
