"""Learning curves: protocols of a plan that differ only in the number of training pixels."""

from __future__ import annotations

from dataclasses import dataclass

from hsiattn.experiments.comparison import Results
from hsiattn.experiments.plan import Plan


@dataclass(frozen=True)
class LearningCurve:
    """Protocols that differ only in the number of training pixels per class, ascending.

    Attributes
    ----------
    name
        Kind of split.
    protocols
        Pixels per class, and name of the protocol.
    """

    name: str
    protocols: tuple[tuple[int, str], ...]

    def scenes(self, results: Results) -> list[str]:
        """Scenes with a run under one of the protocols."""
        names = {name for _, name in self.protocols}
        return list(dict.fromkeys(scene for scene, protocol in results.cells if protocol in names))


def learning_curves(plan: Plan) -> list[LearningCurve]:
    """Find the learning curves of a plan, of two protocols or more; not all need to be for the same scenes."""
    families: dict[str, list[tuple[int, str]]] = {}
    for protocol in plan.protocols:
        size = getattr(protocol, "per_class", None)
        if size is not None:
            rest = protocol.model_dump_json(exclude={"name", "scenes", "per_class"})
            families.setdefault(f"{protocol.split} {rest}", []).append((size, protocol.name))
    return [
        LearningCurve(rest.split()[0], tuple(sorted(points)))
        for rest, points in families.items()
        if len({size for size, _ in points}) > 1
    ]
