"""One thread for linear algebra, and what was before after it."""

import sys
from types import ModuleType

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.core import threads
from pipeline.core.threads import limit_threads


def count_threads() -> set[int]:
    assert np.linalg.det(np.eye(2)) == 1  # a library of linear algebra is loaded
    return {library["num_threads"] for library in threadpool_info()}


def test_within_there_is_one_thread_and_after_it_as_many_as_before() -> None:
    with threadpool_limits(2):
        before = count_threads()
        for _ in range(2):
            with limit_threads():
                assert count_threads() == {1}
            assert count_threads() == before == {2}


def test_libraries_are_looked_for_again_after_an_import_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    threads._find_libraries.cache_clear()
    for _ in range(3):
        with limit_threads():
            pass
    assert threads._find_libraries.cache_info().misses == 1
    monkeypatch.setitem(sys.modules, "a_module_of_this_test", ModuleType("a_module_of_this_test"))
    with limit_threads():
        pass
    assert threads._find_libraries.cache_info().misses == 2
