"""The section of answers: each form as YAML gives it, and what makes no sense together."""

from typing import Any

import pytest

from pipeline.core.answers import LabelSubmission, RankedSubmission, RowSubmission, Submission
from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError

SAMPLE = {"sample": "sample.csv", "id": "Id"}


class Holder(Section):
    """A section that holds any form."""

    submission: Submission


def read(**section: Any) -> Submission:
    return parse({"submission": SAMPLE | section}, Holder, "file").submission


def test_a_label_may_have_another_name_in_answers() -> None:
    section = read(kind="label", label="Category", names={"cat": "0", "dog": "1"})
    assert isinstance(section, LabelSubmission)
    assert section.names == {"cat": "0", "dog": "1"}


def test_rows_are_described_by_a_table_or_a_pattern() -> None:
    table = {"by": "table", "table": "test.csv", "row": "row_id", "image": "image_id", "part": "component"}
    pattern = {"by": "pattern", "pattern": "(?P<image>.+)_(?P<part>[a-z]+)"}
    for rows in (table, pattern):
        section = read(kind="rows", value="target", rows=rows)
        assert isinstance(section, RowSubmission)
        assert section.rows.by == rows["by"]


def test_a_ranked_list_takes_its_length_from_the_sample_and_a_blank_between_names() -> None:
    section = read(kind="ranked", label="Id")
    assert isinstance(section, RankedSubmission)
    assert (section.k, section.separator, section.new) == (None, " ", None)


def test_any_form_may_answer_for_units() -> None:
    unit = {"test": {"by": "table", "table": "test.csv", "image": "image_id", "columns": ["prediction_id"]}}
    section = read(kind="label", label="cancer", positive="1", unit=unit)
    assert section.unit is not None
    assert section.unit.pooling is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "label", "label": "c", "positive": "dog", "names": {"cat": "0"}}, "keep one of them"),
        ({"kind": "label", "label": "c", "names": {"cat": "0", "dog": "0"}}, "names gives two classes one name"),
        ({"kind": "ranked", "label": "c", "k": 0}, "k: Input should be greater than or equal to 1, got 0"),
        ({"kind": "rank", "label": "c"}, "submission.kind: unknown 'rank'; did you mean ranked"),
        (
            {"kind": "rows", "value": "c", "rows": {"by": "pattern", "pattern": "(?P<image>.+)"}},
            "pattern needs a group named part",
        ),
        (
            {"kind": "label", "label": "c", "unit": {"test": {"by": "pattern", "pattern": "("}}},
            "pattern is not a regular expression",
        ),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(**section)
