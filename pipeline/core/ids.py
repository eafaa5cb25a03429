"""Ids of images: their natural order, what no id may be, and names that look the same."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from natsort import natsorted, ns

from pipeline.core.errors import InputError, some

_NUMBER = re.compile("[0-9]+")


def natural_order(ids: Sequence[str]) -> list[str]:
    """Sorts ids as people count: 1, 2, 10; equal numbers (1, 01) by their text."""
    plain = sorted(ids)
    if all(name.isascii() and "\0" not in name for name in plain):
        return sorted(plain, key=_count_digits)
    return natsorted(plain, alg=ns.INT)


def _count_digits(name: str) -> str:
    """Returns a text that sorts as natsort sorts an ASCII name, with a quarter of the work.

    Before each number stands how many digits it has, so that a shorter one comes first, behind a letter that comes
    before all others: a name goes on with a number before it goes on with anything else.
    """
    return _NUMBER.sub(_mark_number, name)


def _mark_number(found: re.Match[str]) -> str:
    digits = found[0].lstrip("0")
    return f"\0{chr(len(digits) + 1)}{digits}"


def check_unique(ids: Sequence[str], place: str) -> None:
    """Refuses repeated ids.

    Raises:
        InputError: lists the ids that are there more than once.
    """
    if len(set(ids)) < len(ids):
        rows = Counter(ids)
        twice = [name for name, count in rows.items() if count > 1]
        raise InputError(f"{place}: {len(twice)} ids are there more than once: {some(twice)}; keep one row of each")


_UNSAFE = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[A-Za-z]:|[\x00-\x1f]")


def check_ids(ids: Sequence[str], place: str) -> None:
    """Refuses ids that are empty or would leave their folder (``../../x``, ``/etc/x``).

    Raises:
        InputError: lists such ids.
    """
    unsafe = [name for name in ids if not name or _UNSAFE.search(name)]
    if unsafe:
        raise InputError(
            f"{place}: {len(unsafe)} ids are empty or leave their folder: {some(map(repr, unsafe))}; rename them"
        )


_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")


def plain_name(name: str) -> str:
    """Returns a name as it looks: accents composed, blanks single and none around it, no letters of no width."""
    if not name.isascii():
        name = _INVISIBLE.sub("", unicodedata.normalize("NFC", name))
    return " ".join(name.split())


def plain_path(path: str) -> str:
    """Returns a path as it looks (`plain_name`), with the slashes of Windows turned and without ``./`` before it."""
    plain = plain_name(path).replace("\\", "/")
    while plain.startswith("./"):
        plain = plain[2:]
    return plain


def drop_zeros(path: str) -> str:
    """Returns a path without the zeros before its name where that is a number: ``train/7`` of ``train/0007``."""
    return re.sub(r"(^|(?<=/))0+(?=[0-9]+$)", "", path)


def find_look_alikes(names: Iterable[str], ignore_case: bool = False) -> list[list[str]]:
    """Finds names that look the same and are not: by blanks, by how accents are written, by letters of no width.

    Args:
        names: distinct names.
        ignore_case: whether ``Cat`` looks like ``cat``.

    Returns:
        sets of two names or more, each sorted.
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        key = plain_name(name)
        alike.setdefault(key.casefold() if ignore_case else key, []).append(name)
    return [found for found in alike.values() if len(found) > 1]


def refuse_look_alikes(classes: Sequence[str], place: str) -> None:
    """Refuses classes that look the same: nobody could tell them apart on a page.

    Raises:
        InputError: shows them in ASCII, where they differ.
    """
    double = [" and ".join(map(ascii, names)) for names in find_look_alikes(classes)]
    if double:
        raise InputError(
            f"{place}: {len(double)} classes look the same but differ by blanks, accents or letters of no width: "
            f"{some(double)}; write each in one way"
        )
