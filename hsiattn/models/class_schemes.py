"""What the classes of a model merge and ignore, as its file tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hsiattn.labels.schemes import SCHEME_ATTRIBUTE
from hsiattn.models.model_file import TrainedModel


def with_class_scheme(model: TrainedModel, attrs: Mapping[Any, Any]) -> TrainedModel:
    """Give a model whose `data` hold the class scheme of the labels it was trained on, under "class_scheme".

    Parameters
    ----------
    attrs
        Attributes of the labels, as `open_labels` gives them; without a scheme the model stays as it is.
    """
    given = attrs.get(SCHEME_ATTRIBUTE)
    if given is None:
        return model
    text = given if isinstance(given, str) else given[0]
    return replace(model, data={**model.data, SCHEME_ATTRIBUTE: json.loads(text)})
