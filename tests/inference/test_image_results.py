"""Image results: names in a table are printed as they are, without control characters."""

from pipeline.inference.image_results import Guess, ImageResult, format_results


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
