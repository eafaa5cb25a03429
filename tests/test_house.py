"""The style of the house, as far as it can be read off the source: sizes, names, docstrings."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
from support.project_imports import ROOT, modules, tree

MODULES = [name for name in modules() if name != "pipeline.__main__"]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
LINES, TEST_LINES, PARAMETERS = 250, 400, 6
# Words of questions and of speech: a docstring names the thing before it says what it does.
QUESTIONS = re.compile(r"(What|How|Where|Which|Whether|Who|Whose|When|Why)\b")
SPEECH = {"told", "said", "shown", "heard", "found", "seen", "around", "asked"}
FOLDERS = {"configs", "data", "prepared", "raw", ".work", "folds", "reports", "submissions", "params.yaml"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: str) -> list[FUNCTIONS]:
    return [node for node in ast.walk(tree(module)) if isinstance(node, FUNCTIONS)]


def exported(module: str) -> set[str]:
    """The public functions, classes and types that a module defines at its top."""
    names = {node.name for node in tree(module).body if isinstance(node, FUNCTIONS | ast.ClassDef)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_not_too_long(module: str) -> None:
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_test_file_is_not_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= TEST_LINES


@pytest.mark.parametrize("module", MODULES)
def test_no_function_takes_more_parameters_than_can_be_kept_in_mind(module: str) -> None:
    wide = []
    for node in functions(module):
        taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if len([each for each in taken if each.arg not in ("self", "cls")]) > PARAMETERS:
            wide.append(node.name)
    assert not wide or module.startswith("pipeline.commands.")  # a verb's options are its parameters


@pytest.mark.parametrize("module", MODULES)
def test_a_module_docstring_names_the_thing_first(module: str) -> None:
    assert not QUESTIONS.match(ast.get_docstring(tree(module)) or "Why is there none?")


@pytest.mark.parametrize("module", MODULES)
def test_no_function_class_or_field_is_called_by_a_word_of_speech(module: str) -> None:
    named = {node.name for node in ast.walk(tree(module)) if isinstance(node, FUNCTIONS | ast.ClassDef)}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef):
            fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
            named |= {field.id for field in fields if isinstance(field, ast.Name)}
    assert not {name for name in named if name.strip("_").lower() in SPEECH}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "pipeline.core.paths"])
def test_folders_of_the_repository_are_spelled_in_one_module(module: str) -> None:
    parts = [
        node.right for node in ast.walk(tree(module)) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    ]
    assert not FOLDERS & {part.value for part in parts if isinstance(part, ast.Constant)}


def test_no_two_modules_export_one_name() -> None:
    homes = defaultdict(list)
    for module in MODULES:
        for name in exported(module):
            homes[name].append(module)
    # Every stage is run; every shipped combiner and every kind of a section keeps to the form of its siblings.
    assert not {name: found for name, found in homes.items() if len(found) > 1 and name != "run"}
