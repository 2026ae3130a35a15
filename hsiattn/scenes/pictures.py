"""Pictures in PNG files: quick-looks of scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hsiattn.files.kinds import SOFTWARE, FileKind
from hsiattn.files.outputs import Inputs, check_output, whole_file
from hsiattn.version import __version__


def write_picture(
    path: str | Path, pixels: NDArray[np.uint8], *, overwrite: bool = False, inputs: Inputs | None = None
) -> None:
    """Write a picture (h, w, 4) as PNG, whole or not at all.

    Raises
    ------
    OutputError
        The file may not be replaced or cannot be written.
    """
    from matplotlib.image import imsave

    check_output(path, FileKind.PICTURE, overwrite=overwrite, inputs=inputs)
    with whole_file(path) as temporary:
        imsave(temporary, pixels, format="png", metadata={"Software": f"{SOFTWARE}{__version__}"})
