"""Handles of many files, of which every thread keeps the few open that it has read last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from hsiattn.scenes.source import SceneSource

_MOST = 24
"""Files that a thread keeps open: the limit of a process is often 1024, with tens of threads."""


class KeptHandles:
    """Sources of many files; inside `while_open`, each thread keeps the ones open that it has used last.

    A thread closes only what it has opened itself, so that no other one is reading from it. Copies in other processes
    begin without any handle.
    """

    def __init__(self, sources: Sequence[SceneSource]) -> None:
        self._sources = tuple(sources)
        self._open: dict[int, _LastUsed] | None = None
        self._blocks = 0

    def of(self, number: int) -> SceneSource:
        """A source, with its handle kept where handles are."""
        if self._open is None:
            return self._sources[number]
        mine = self._open.setdefault(threading.get_ident(), OrderedDict())
        if number in mine:
            mine.move_to_end(number)
            return mine[number][0]
        while len(mine) >= _MOST:
            _, (_, context) = mine.popitem(last=False)
            context.__exit__(None, None, None)
        source = self._sources[number]._clone()
        context = source.kept_open()
        context.__enter__()
        mine[number] = source, context
        return source

    @contextmanager
    def while_open(self) -> Iterator[None]:
        """While the block runs, handles are kept; blocks may lie inside each other."""
        if self._blocks == 0:
            self._open = {}
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if self._blocks == 0:
                kept, self._open = self._open, None
                for of_thread in (kept or {}).values():
                    for _, context in of_thread.values():
                        context.__exit__(None, None, None)

    def __getstate__(self) -> dict[str, Any]:
        return {"_sources": self._sources, "_open": None, "_blocks": 0}


_LastUsed = OrderedDict[int, tuple[SceneSource, AbstractContextManager[None]]]
