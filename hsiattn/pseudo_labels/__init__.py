"""What labelled and unlabelled pixels of a scene know together: a teacher that labels the pixels a network learns from.

A few labels do not train a network. But discriminants fitted in closed form need few, the unlabelled pixels around them
tell how spectra scatter within a field and where fields end, and both together label thousands of pixels well enough
for it.
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
