"""The page of options: it is that of the code, lists every key once, and every link leads to a heading."""

import re
from pathlib import Path

from pipeline.core.config import Section
from pipeline.stages.options import make_page, make_schemas
from pipeline.workspace.option_page import PagePart, make_option_page
from pipeline.workspace.schemas import make_section_schema

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


class Lamp(Section):
    """A source of light.

    Attributes:
        watts: its power.
        colours: what it can show | in order.
    """

    watts: float
    colours: tuple[str, ...] = ()


class Room(Section):
    """A place with lamps.

    Attributes:
        lamps: on the ceiling; None for a dark room.
    """

    lamps: tuple[Lamp, ...] | None = None
    door: Lamp


SCHEMAS = make_schemas()


def anchor(heading: str) -> str:
    """The name that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def test_the_page_in_the_repository_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page(SCHEMAS), "run `python -m pipeline options`"


def test_every_link_leads_to_one_heading() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = [
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    ]
    assert len(set(headings)) == len(headings)
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= set(headings)


def test_every_definition_stands_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for schema in SCHEMAS.values():
        for definition in schema["$defs"].values():
            for key, each in definition.get("properties", {}).items():
                assert f"| `{key}` |" in text, (definition["title"], key, each)


def test_a_row_says_key_type_default_and_purpose() -> None:
    page = make_option_page("# Light", [PagePart("a room", "One file.", make_section_schema(Room))])
    assert "| `lamps` | list of [`lamps`](#lamps) or null | `null` | On the ceiling; null for a dark room. |" in page
    assert "| `door` | [`lamps`](#lamps) | must be given | A source of light. |" in page
    assert "| `watts` | number | must be given | Its power. |" in page
    assert "| `colours` | list of texts | empty | What it can show \\| in order. |" in page
