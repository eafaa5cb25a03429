"""Plain English: what users read has no word of docs/plain_words.csv."""

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project_imports import ROOT, module_name, walk

LIST = ROOT / "docs" / "plain_words.csv"
PAGES = ["README.md", "submissions/README.md", "configs/metrics/README.md", "configs/doubted/README.md"]
FEW = 3  # words: shorter strings of code are keys and names
SCOPES = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read_words() -> dict[str, str]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return {row["word"]: row["say"] for row in csv.DictReader(line for line in file if not line.startswith("#"))}


WORDS = read_words()
PATTERN = re.compile(rf"(?<![\w`-])(?:{'|'.join(WORDS)})(?![\w`])", re.IGNORECASE)


def find_flagged(text: str) -> list[str]:
    """The flagged words of a text, each with what stands around it."""
    return [" ".join(text[max(0, m.start() - 40) : m.end() + 30].split()) for m in PATTERN.finditer(text)]


def read_prose(path: Path) -> str:
    """A page without its code, its comments and the targets of its links."""
    text = re.sub(r"```.*?```|<!--.*?-->|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


def list_strings(path: Path) -> Iterator[str]:
    """The texts of a module: messages, help and what is written; docstrings of commands are their help."""
    nodes = walk(module_name(path))
    helps = path.parent.name == "commands"
    scopes = [node for node in nodes if isinstance(node, SCOPES) and node.body]
    first = [scope.body[0] for scope in scopes if not (helps and isinstance(scope, ast.FunctionDef))]
    docstrings = {id(node.value) for node in first if isinstance(node, ast.Expr)}
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
        if isinstance(text, str) and len(text.split()) >= FEW:
            yield re.sub(r"`[^`]*`", "", text)


@pytest.mark.parametrize("page", [*PAGES, *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_a_page_is_in_plain_words(page: str) -> None:
    assert find_flagged(read_prose(ROOT / page)) == []


@pytest.mark.parametrize("room", sorted({path.parts[-2] for path in (ROOT / "pipeline").rglob("*.py")}))
def test_messages_and_help_are_in_plain_words(room: str) -> None:
    paths = [path for path in (ROOT / "pipeline").rglob("*.py") if path.parts[-2] == room]
    flagged = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in paths
        for text in list_strings(path)
        for word in find_flagged(text)
    }
    assert flagged == set()


@pytest.mark.parametrize(
    "text", ["It lies there.", "They stand in x.", "Made anew, e.g. by hand", "In order to run", "Hence it STANDS in x"]
)
def test_a_flagged_word_is_seen(text: str) -> None:
    assert find_flagged(text)


@pytest.mark.parametrize(
    "text", ["`null` stands for no value", "the stand-in", "a client lied", "besideness", "It belies"]
)
def test_other_words_are_not(text: str) -> None:
    assert not find_flagged(text)


def test_every_word_of_the_list_has_another_to_say() -> None:
    assert all(WORDS.values())
