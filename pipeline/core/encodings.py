"""Encodings of text: UTF-8, what a byte order mark says, or what a person gives; never a guess."""

import codecs
import unicodedata
from itertools import pairwise
from pathlib import Path

from pipeline.core.errors import InputError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of one byte a letter, then of several; an error shows the text as each of those that can be meant.
_USUAL = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8-r", "mac_roman"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
)
_WIDE = ("utf-16-le", "utf-16-be")
_PIECE = 1 << 20
_SHOWN = 5
_NO_CHANCE = 8  # letters beyond ASCII; text of another encoding is hardly ever UTF-8 in so many by chance


def detect_encoding(path: Path, given: str | None) -> str:
    """Finds the encoding of a text file.

    Args:
        path: the file.
        given: the encoding of a file that is not UTF-8 and has no byte order mark; None refuses such a file. A few
            letters can be UTF-8 by chance: where fewer than 8 letters are more than ASCII, the encoding given counts.

    Raises:
        InputError: not UTF-8 and nothing given, with an example of how other encodings would read it; not in the
            encoding given; or an encoding of no such name.
    """
    with path.open("rb") as file:
        start = file.read(4)
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            return encoding
    is_utf8 = _find_undecodable(path, "utf-8") is None
    if given is None and not is_utf8:
        raise _list_readings(path)
    if given is None or (is_utf8 and _count_letters(path) >= _NO_CHANCE):
        return "utf-8"
    _require_encoding(given)
    place = _find_undecodable(path, given)
    if place is not None and is_utf8:
        return "utf-8"
    if place is not None:
        raise InputError(f"{path} is neither UTF-8 nor {given} (about byte {place:,}); give its encoding")
    return given


def _require_encoding(name: str) -> None:
    try:
        b"a,1\n".decode(name)
    except (LookupError, UnicodeDecodeError) as error:
        raise InputError(f"{name!r} is no encoding of text; known are utf-8, cp1252, cp1251, gb18030 ...") from error


def _find_undecodable(path: Path, encoding: str) -> int | None:
    """Returns about where a file stops being text of an encoding; None for all of it. A NUL is no text."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with path.open("rb") as file:
        while True:
            piece = file.read(_PIECE)
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                return done + error.start
            if "\0" in text:
                return done
            if not piece:
                return None
            done += len(piece)


def _count_letters(path: Path) -> int:
    """Counts letters beyond ASCII in UTF-8 text, up to `_NO_CHANCE`."""
    count = 0
    with path.open(encoding="utf-8", newline="") as file:
        while count < _NO_CHANCE and (text := file.read(_PIECE)):
            count += 0 if text.isascii() else sum(not letter.isascii() for letter in text)
    return count


def _list_readings(path: Path) -> InputError:
    line, raw = _find_example(path)
    wide = raw.count(b"\0") > len(raw) / 4
    readings = []
    for encoding in _WIDE if wide else _USUAL:
        if _find_undecodable(path, encoding) is None:
            text = raw.decode(encoding, errors="ignore").splitlines()[0].strip()
            readings.append((_count_oddities(text), encoding, text[:60]))
    if not readings or (not wide and b"\0" in raw):
        return InputError(f"{path} is neither UTF-8 nor text of another usual encoding; save it as UTF-8")
    shown: dict[str, str] = {}
    for _, encoding, text in sorted(readings, key=lambda reading: reading[0]):
        shown.setdefault(text, encoding)
    listed = ", ".join(f"{text!r} ({encoding})" for text, encoding in list(shown.items())[:_SHOWN])
    return InputError(
        f"{path} is not UTF-8; its line {line} may read {listed}: choose with init's --encoding NAME, or encoding in "
        "the competition's file"
    )


def _find_example(path: Path) -> tuple[int, bytes]:
    """Returns the number and the bytes of the first line that is more than ASCII."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.isascii() or b"\0" in line:
                return number, line[:400]
    return 1, b""


def _count_oddities(text: str) -> int:
    """Counts what makes a reading unlikely: scripts beyond the first, and signs, controls and private letters."""
    odd = [letter for letter in text if not letter.isascii()]
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in odd if letter.isalpha()}
    cases = sum(a.isalpha() and a.islower() and b.isupper() for a, b in pairwise(text))
    return sum(not letter.isalpha() for letter in odd) + max(0, len(scripts) - 1) + cases
