"""Memory that runs out, told from defects and from damage."""

import errno
import gc
import weakref
from pathlib import Path

import pytest

from pipeline.core import memory
from pipeline.core.errors import InputError
from pipeline.core.memory import explain_unread, is_out_of_memory, keep_objects, spare_old_objects


class ResourceExhaustedError(Exception):
    """As TensorFlow's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("OOM when allocating tensor with shape[8,8]"),
        OSError(errno.ENOMEM, "no room"),
        ImportError("a.so: failed to map segment from shared object"),
        ImportError("a.so: cannot map zero-fill pages: Cannot allocate memory"),
        RuntimeError("RESOURCE_EXHAUSTED: while running replica 0"),
        RuntimeError("(-4:Insufficient memory) Failed to allocate 400 bytes in function 'OutOfMemoryError'"),
        RuntimeError("UnknownError: MemoryError: Unable to allocate 1 GiB"),
    ],
)
def test_libraries_name_a_lack_of_memory_in_many_ways(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError("wrong"), SystemError("no words")])
def test_other_errors_are_other_errors_while_there_is_room(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_an_error_that_came_from_a_lack_of_memory_is_one() -> None:
    error = ValueError("cannot import the loader")
    error.__cause__ = MemoryError()
    assert is_out_of_memory(error)


def test_errors_in_a_circle_come_to_an_end() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert not is_out_of_memory(one)


def test_an_error_without_words_is_for_want_of_memory_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ROOM", 2**62)  # more than any machine gives
    assert is_out_of_memory(SystemError("error return without exception set"))


def test_a_file_that_memory_did_not_suffice_for_is_not_called_damaged() -> None:
    lack = explain_unread(Path("a.parquet"), MemoryError("malloc of size 64 failed"), "is damaged", "train again")
    damage = explain_unread(Path("a.parquet"), ValueError("bad page"), "is damaged", "train again")
    assert isinstance(lack, InputError)
    assert str(lack).startswith(
        "memory ran out while a.parquet was read (malloc of size 64 failed); end other programs"
    )
    assert "damaged" not in str(lack)
    assert str(damage) == "a.parquet is damaged (bad page); train again"


class Node:
    """Can be in a circle."""

    def __init__(self) -> None:
        self.itself = self


def test_old_objects_are_searched_for_garbage_no_more_until_they_are_kept_and_young_ones_always() -> None:
    usual = gc.get_threshold()
    try:
        spare_old_objects()
        before = gc.get_stats()[2]["collections"]
        young = weakref.ref(Node())
        stay = [[number] for number in range(200_000)]
        assert young() is None
        assert gc.get_stats()[2]["collections"] == before
        keep_objects()
        assert gc.get_threshold() == usual
        assert gc.get_freeze_count() >= len(stay)
    finally:
        gc.set_threshold(*usual)
