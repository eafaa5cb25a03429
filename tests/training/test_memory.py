"""Trainings that run out of memory: begun again with smaller batches until they fit, or one image does not."""

import pytest

from pipeline.core.errors import NoRoomError
from pipeline.training.memory import retry_with_half_batches


@pytest.mark.slow
def test_all_folds_begin_again_until_they_fit(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [1, 4, 8]

    def train() -> str:
        size = sizes.pop()
        if size > 1:
            raise NoRoomError("one: memory ran out; lower it", 0, size)
        return "trained"

    assert retry_with_half_batches(train) == "trained"
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "one: memory ran out; all folds begin again with 4",
        "one: memory ran out; all folds begin again with 2",
    ]


def test_a_single_image_that_does_not_fit_is_an_error() -> None:
    def train() -> None:
        raise NoRoomError("one: memory ran out", 0, 1)

    with pytest.raises(NoRoomError, match="memory ran out"):
        retry_with_half_batches(train)
