"""Reference data: label rasters with any integer codes, and the class tables that name and colour them."""

from typing import TYPE_CHECKING

from hsiattn.labels.tables import open_class_table
from hsiattn.lazy import lazily
from hsiattn.scenes.alignment import check_same_grid

if TYPE_CHECKING:
    from hsiattn.labels.opening import open_labels

__all__ = ["check_same_grid", "open_class_table", "open_labels"]

__getattr__, __dir__ = lazily(__name__, {"open_labels": "hsiattn.labels.opening"})
