"""Reports on maps: the comparison with reference data, and what stands beside its figures for the reader.

`assessing` compares a map with reference data and knows from its provenance how it was made, `training` has the report
of a training. `collecting` puts together what stands beside the figures: `identity`, `spectra`, `attention`,
`learning`, `split` and `pictures`.

The names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsiattn.lazy import lazily

if TYPE_CHECKING:
    from hsiattn.reporting.assessing import assess as assess
    from hsiattn.reporting.assessing import open_vector_reference as open_vector_reference
    from hsiattn.reporting.training import report_of as report_of

_HOMES = {
    "assess": "hsiattn.reporting.assessing",
    "open_vector_reference": "hsiattn.reporting.assessing",
    "report_of": "hsiattn.reporting.training",
}

__all__ = ["assess", "open_vector_reference", "report_of"]

__getattr__, __dir__ = lazily(__name__, _HOMES)
