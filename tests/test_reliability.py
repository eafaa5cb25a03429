"""A small part of the campaign of `python -m benchmarks.reliability`: malformed inputs, and kills inside writes."""

from pathlib import Path

import pytest

from benchmarks.reliability.malformed import Generator
from benchmarks.reliability.writes import KINDS, kill_write
from pipeline.core.errors import fit_line


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return Generator(tmp_path_factory.mktemp("malformed"), layouts=("csv_images",))


# Competitions, tables, pictures and members: nothing that starts a network.
@pytest.mark.parametrize("kind", [0, 3, 4, 5])
def test_malformed_inputs_are_one_clear_line_or_taken_as_they_are(generator: Generator, kind: int) -> None:
    problems = [problem for seed in range(kind, kind + 30, 6) if (problem := generator.try_once(seed))]
    assert not problems


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_file_whose_writer_is_killed_is_whole_and_its_rest_swept(kind: int, tmp_path: Path) -> None:
    assert kill_write(tmp_path, kind) is None


def test_an_error_of_many_letters_keeps_its_beginning_and_its_end() -> None:
    line = fit_line("a.yaml holds " + "x" * 100_000 + "\n; correct it there")
    assert line.startswith("a.yaml holds xxx")
    assert line.endswith("; correct it there")
    assert len(line) < 1600
    assert fit_line("one\ntwo") == "one two"
