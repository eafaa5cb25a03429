"""The hints inside errors."""

from pipeline.core.errors import near_names, printable, some


def test_near_names_are_offered() -> None:
    assert near_names("small_cn", ["small_cnn", "mlp"]) == "did you mean small_cnn?"


def test_all_names_are_listed_in_order_when_none_is_near() -> None:
    assert near_names("zzz", ["b", "a"]) == "known: a, b"


def test_no_names_are_said_to_be_none() -> None:
    assert near_names("x", []) == "there is none yet"


def test_a_short_list_is_whole() -> None:
    assert some(["a", 2]) == "a, 2"


def test_a_long_list_counts_the_rest() -> None:
    assert some(range(14), limit=3) == "0, 1, 2 and 11 more"


def test_nothing_is_the_empty_text() -> None:
    assert some([]) == ""


def test_what_would_steer_a_terminal_is_written_out() -> None:
    assert printable("é \x1b[31m\x07\n\udce9") == r"é \x1b[31m\x07\n\udce9"
