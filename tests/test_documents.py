"""README and the page of recipes: tables made by their command, commands before tables, links that lead somewhere."""

import re
from pathlib import Path

import pytest

from benchmarks.score_tables import DOCUMENTS, choose_best, fill_tables, read_scores

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_are_those_of_the_command(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- table:" in text
    assert fill_tables(ROOT, text) == text, "run `python -m benchmarks.score_tables`"


def test_the_first_line_says_what_the_project_is() -> None:
    assert all(word in README.splitlines()[0] for word in ("Kaggle", "Keras", "DVC", "image classification"))


def test_commands_come_before_tables() -> None:
    assert README.index("make run") < README.index("make init") < README.index("\n|")


def test_five_scores_stand_in_the_readme_each_the_best_of_its_kind() -> None:
    best = choose_best(read_scores(ROOT))
    assert [(row["competition"], row["model"]) for row in best] == [
        ("digits", "quick_cnn"),
        ("animals15", "ensemble of the three that `init` proposes, nested"),
        ("animals15", "xception_160_upper_blocks"),
        ("fashion_pixels", "deep_elu_cnn"),
        ("dogs10", "xception_299_logistic"),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            broken.append(target)
    assert not broken
