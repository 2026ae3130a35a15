"""Reference data: label rasters with any integer codes, and the class tables that name and colour them."""

from hsiattn.labels.rasters import open_labels
from hsiattn.labels.tables import open_class_table
from hsiattn.scenes.alignment import check_same_grid

__all__ = ["check_same_grid", "open_class_table", "open_labels"]
