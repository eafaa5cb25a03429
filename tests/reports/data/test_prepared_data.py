"""Prepared data: lists, counts and short ids."""

from pipeline.reports.data.prepared_data import format_count, join_names, shorten_id


def test_lists_and_counts_read_well() -> None:
    assert join_names(["a"]) == "a"
    assert join_names(["a", "b", "c"]) == "a, b and c"
    assert join_names(list("abcde")) == "a, b, c and 2 more"
    assert shorten_id("cats/7.png") == "7.png"
    assert shorten_id("beagle/ILSVRC2012_val_00011719.jpg") == "…_00011719.jpg"
    assert (format_count(1, "class", "classes"), format_count(2000, "class", "classes")) == ("1 class", "2,000 classes")
