"""Changes to bytes, text and trees of values, as accidents and attackers make them."""

from __future__ import annotations

import json
import math
import random
import re
import struct
from collections.abc import Iterator
from typing import Any

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 255, 256, 400, 65_535, 65_536, 100_000, 10**6, 10**8, 2**31 - 1, 2**31, 2**32 - 1, 10**9),
    *(10**12, 2**63 - 1, 2**63, 10**30, -(2**31), -(2**63), 0.5, -0.5, 1e-320, 1e39, 1e308),
    *(math.nan, math.inf, -math.inf),
)
WORDS = (
    *("", "x", "none", "null", "true", "nan", "inf", "0", "-1", "10", "1e999", "0x10", "1_000", "٣", "é", "\U0001f600"),
    *("\0", "\x1b[31m", "\n", "=1+1", "#", "a" * 300, "../x", "/", "2001-02-30", "1:60", "default", "lda"),
    *("[", "{", "*a", "os:system", "torch.nn:Linear", "a.b:c"),
)


def damaged_bytes(rng: random.Random, content: bytes, *, head: int = 400) -> bytes:
    """A few changes, most of them among the first `head` bytes, where headers are."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not changed:
            break
        end = min(head, len(changed)) if rng.random() < 0.7 else len(changed)
        place = rng.randrange(end)
        match rng.choice(("bit", "byte", "integer", "integer", "cut", "remove", "insert", "splice")):
            case "bit":
                changed[place] ^= 1 << rng.randrange(8)
            case "byte":
                changed[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case "integer":
                kind = rng.choice(("<H", ">H", "<I", "<I", ">I", "<Q", "<d"))
                place -= place % rng.choice((1, 2, 4, 8))
                changed[place : place + struct.calcsize(kind)] = packed(rng, kind)
            case "cut":
                del changed[place if rng.random() < 0.5 else rng.randrange(len(changed)) :]
            case "remove":
                del changed[place : place + rng.choice((1, 2, 4, 8, 100))]
            case "insert":
                changed[place:place] = rng.randbytes(rng.choice((1, 2, 4, 8, 100)))
            case "splice":
                start = rng.randrange(len(changed))
                part = bytes(changed[start : start + rng.choice((2, 4, 8, 64))])
                changed[place : place + len(part)] = part
    return bytes(changed)


def packed(rng: random.Random, kind: str) -> bytes:
    """One of `NUMBERS` in the form of a kind of `struct`."""
    if kind.endswith("d"):
        return struct.pack(kind, float(rng.choice(NUMBERS)))
    whole = [number for number in NUMBERS if isinstance(number, int)]
    return struct.pack(kind, rng.choice(whole) % 256 ** struct.calcsize(kind))


def damaged_text(rng: random.Random, text: str) -> str:
    """A few changes of words, numbers and lines."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        match rng.choice(("token", "token", "token", "line", "line", "character", "cut", "repeat")):
            case "token":
                tokens = list(re.finditer(r"[\w.+-]+|[^\w\s]", text))
                if tokens:
                    token = rng.choice(tokens)
                    text = text[: token.start()] + word(rng) + text[token.end() :]
            case "line":
                lines = text.split("\n")
                place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
                match rng.choice(("remove", "double", "swap")):
                    case "remove":
                        del lines[place]
                    case "double":
                        lines.insert(other, lines[place])
                    case "swap":
                        lines[place], lines[other] = lines[other], lines[place]
                text = "\n".join(lines)
            case "character":
                place = rng.randrange(len(text) + 1)
                text = (
                    text[:place] + rng.choice("{}[]:,;=\"'#&*!|>%@`\t\0\r\ufeff-.0") + text[place + rng.randrange(2) :]
                )
            case "cut":
                text = text[: rng.randrange(len(text) + 1)]
            case "repeat":
                place = rng.randrange(len(text) + 1)
                text = (
                    text[:place] + rng.choice(("[", "{", "- ", "(", "9", "a: ")) * rng.choice((50, 5000)) + text[place:]
                )
    return text


def word(rng: random.Random) -> str:
    """One of `NUMBERS` or of `WORDS`."""
    return str(rng.choice(NUMBERS)) if rng.random() < 0.6 else rng.choice(WORDS)


def either(rng: random.Random, content: bytes) -> bytes:
    """Damage to a text file: mostly as text, now and then as bytes."""
    if rng.random() < 0.15:
        return damaged_bytes(rng, content)
    return damaged_text(rng, content.decode(errors="replace")).encode(errors="surrogatepass")


def damaged_tree(rng: random.Random, tree: Any) -> Any:
    """A copy of what JSON or YAML holds, with a few values replaced, removed, doubled, nested or exchanged."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return tree
        holder, key = rng.choice(places)
        match rng.choice(("number", "number", "value", "word", "remove", "nest", "exchange", "rename", "add")):
            case "number":
                holder[key] = rng.choice(NUMBERS)
            case "value":
                holder[key] = rng.choice((None, True, False, [], {}, [[]], {"": None}, [None], {"a": {"b": [1]}}))
            case "word":
                holder[key] = rng.choice(WORDS)
            case "remove":
                del holder[key]
            case "nest":
                for _ in range(rng.choice((1, 2, 100))):
                    holder[key] = [holder[key]] if rng.random() < 0.5 else {str(key): holder[key]}
            case "exchange":
                other, place = rng.choice(places)
                try:
                    holder[key] = json.loads(json.dumps(other[place]))
                except (LookupError, RecursionError):
                    continue
            case "rename" if isinstance(holder, dict):
                holder[rng.choice((*WORDS, "member", "members"))] = holder.pop(key)
            case "add" if isinstance(holder, list):
                holder += [holder[key]] * rng.choice((1, 10, 1000))
            case _:
                continue
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    pending = [tree]
    while pending:
        node = pending.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            yield node, key
            pending.append(node[key])
