import pytest
from support.project_imports import ROOT

from pipeline.core.errors import InputError
from pipeline.data.containers.formats import ROW_FORMATS, WORKBOOK_SUFFIXES, find_format


def test_the_documentation_lists_every_format_as_the_code_knows_it() -> None:
    text = (ROOT / "docs" / "competitions.md").read_text(encoding="utf-8")
    for each in ROW_FORMATS:
        suffixes = ", ".join(f"`{suffix}`" for suffix in each.suffixes)
        assert f"| {each.kind} | {suffixes} | {each.rows} |" in text
    assert ", ".join(f"`{suffix}`" for suffix in WORKBOOK_SUFFIXES) in text


def test_a_suffix_counts_in_any_case_and_a_csv_has_a_reader_of_its_own() -> None:
    found = find_format("a/Train.TFREC")
    assert found is not None
    assert found.kind == "TFRecord"
    assert find_format("train.csv") is None


@pytest.mark.parametrize("suffix", WORKBOOK_SUFFIXES)
def test_a_workbook_is_refused_by_name(suffix: str) -> None:
    with pytest.raises(InputError, match=f"labels{suffix} is a workbook"):
        find_format(f"labels{suffix}")
