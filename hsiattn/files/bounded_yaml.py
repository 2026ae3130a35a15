"""YAML from untrusted files: plain data alone, within bounds of size, nesting and aliases, no key twice.

PyYAML's safe loaders run no code. But a few kilobytes of aliases can grow to gigabytes, deep nesting ends in a
RecursionError or, in the loader written in C, in a crash, and of a key that is there twice the last wins unsaid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from hsiattn.files.text import printable

MAX_CHARACTERS = 4 * 2**20
"""Longest text that is parsed."""

MAX_NODES = 250_000
"""Most values (keys, lists and mappings included), those that aliases repeat counted each time."""

MAX_DEPTH = 50
"""Most lists and mappings inside each other."""

MAX_NUMBER = 400
"""Most characters of a value that is not text; the largest double has 309 digits."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT, _NULL, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "merge"))


class YamlError(ValueError):
    """A text is not YAML, or is beyond the bounds; the reason is one line."""


def load_yaml(text: str, *, as_text: bool = False) -> Any:
    """The value of a YAML document: dictionaries, lists, texts, numbers, booleans, dates, None.

    Parameters
    ----------
    text
        One document.
    as_text
        Leave every scalar as it is written, and only an absent one or an unquoted `null` or `~` as None: `no`, `1.0`
        and `010` are texts then, as they are in a table of names.

    Raises
    ------
    YamlError
        It is not YAML, has a key twice in one mapping, or is larger, deeper or has more aliases than the bounds allow.

    Examples
    --------
    >>> load_yaml("{name: no, code: 010}")
    {'name': False, 'code': 8}
    >>> load_yaml("{name: no, code: 010}", as_text=True)
    {'name': 'no', 'code': '010'}
    """
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"it has {len(text)} characters, more than {MAX_CHARACTERS}")
    loader = None
    try:
        _check_events(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_graph(root)
        _check_keys(root, loader, as_text)
        return _texts(root, loader) if as_text else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise YamlError(_reason(error)) from error
    except YamlError:
        raise
    # A date such as 2001-99-99, a text that is no UTF-8; and a tag such as !!bool whose value is no such thing.
    except (ValueError, OverflowError, RecursionError, LookupError, AttributeError, TypeError) as error:
        raise YamlError(f"a value cannot be understood ({printable(str(error), 100)})") from error
    finally:
        if loader is not None:
            loader.dispose()


def _check_events(text: str) -> None:
    """Count values and nesting before anything is built from them."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.events.NodeEvent)
        if depth > MAX_DEPTH:
            raise YamlError(f"lists and mappings lie in each other more than {MAX_DEPTH} deep{_line(event.start_mark)}")
        if nodes > MAX_NODES:
            raise YamlError(f"it has more than {MAX_NODES} values")


def _check_graph(root: yaml.Node) -> None:
    """Count values and nesting with what aliases repeat; an alias inside of what it names has no end."""
    sizes: dict[int, int] = {}
    heights: dict[int, int] = {}
    unfinished: set[int] = set()
    stack = [root]
    while stack:
        node = stack[-1]
        if id(node) in sizes:
            stack.pop()
            continue
        children = list(_children(node))
        if id(node) in unfinished:
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
            heights[id(node)] = 1 + max((heights[id(child)] for child in children), default=0)
            if sizes[id(node)] > MAX_NODES or heights[id(node)] > MAX_DEPTH + 1:
                raise YamlError(f"its aliases unfold to more than the bounds allow{_line(node.start_mark)}")
            continue
        unfinished.add(id(node))
        for child in children:
            if id(child) in unfinished and id(child) not in sizes:
                raise YamlError(f"an alias lies inside of what it stands for{_line(node.start_mark)}")
            if id(child) not in sizes:
                stack.append(child)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _check_keys(root: yaml.Node, loader: Any, as_text: bool) -> None:
    """See that no mapping has a key twice and that no number is endless (its conversion would be, too)."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.extend(_children(node))
        if isinstance(node, yaml.ScalarNode):
            if not as_text and node.tag != _TEXT and len(node.value) > MAX_NUMBER:
                raise YamlError(f"a value of {len(node.value)} characters is not text{_line(node.start_mark)}")
        elif isinstance(node, yaml.MappingNode):
            keys: set[Any] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise YamlError(f"a key is a list or a mapping{_line(key.start_mark)}")
                if len(key.value) > MAX_NUMBER:
                    raise YamlError(f"a key has {len(key.value)} characters{_line(key.start_mark)}")
                name = key.value if as_text or key.tag == _MERGE else loader.construct_object(key)
                if name in keys:
                    raise YamlError(f"the key {printable(key.value, 40)} is there twice{_line(key.start_mark)}")
                keys.add(name)


def _texts(node: yaml.Node, loader: Any) -> Any:
    """The value of a node with its scalars as they are written."""
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        return {key.value: _texts(value, loader) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_texts(value, loader) for value in node.value]
    return None if node.tag == _NULL else node.value


def _reason(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    return f"{printable(str(problem), 100)}{_line(getattr(error, 'problem_mark', None))}"


def _line(mark: Any) -> str:
    return f" (line {mark.line + 1})" if mark is not None else ""
