"""Image results: names in a table are printed as they are, without control characters; those of a CSV stay apart."""

import pytest

from pipeline.inference.image_results import Guess, ImageResult, choose_separator, format_results


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    guess = Guess("[red]x[/red]", "[red]x[/red]", 0.5)
    assert "[red]x[/red] 0.500" in format_results([ImageResult("[bold]a.png", (guess,), 0.5)], "table")


def test_names_cannot_steer_a_terminal_and_long_ones_are_not_broken() -> None:
    guess = Guess("x", "n\x1b[2Jme", 0.5)
    long = "\N{PANDA FACE}" * 120
    text = format_results([ImageResult("a\x1b[31m\nb.png", (guess,), 0.5), ImageResult(long, (guess,), 0.5)], "table")
    assert "\x1b" not in text
    assert r"a\x1b[31m\nb.png" in text
    assert len(text.splitlines()) == 3
    assert long in text


@pytest.mark.parametrize(
    ("names", "written", "separator"),
    [
        (("ant red", "bee"), ";", ";"),
        (("ant red", "bee"), None, "|"),
        (("ant", "bee"), None, " "),
        (("ant", "bee"), ", ", ", "),
        (("ant red", "bee"), " ", "|"),
    ],
)
def test_names_of_an_answer_are_told_apart(names: tuple[str, ...], written: str | None, separator: str) -> None:
    assert choose_separator(names, written) == separator
    guesses = tuple(Guess(name, name, 0.75) for name in names)
    result = ImageResult("a.png", guesses, values=tuple((name, 0.75) for name in names))
    text = format_results([result], "csv", separator)
    assert separator.join(names) in text
