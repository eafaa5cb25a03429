"""The style of the house, as far as it can be read off the source: sizes, names, docstrings."""

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from support.project_imports import ROOT, modules, tree, walk

MODULES = [name for name in modules() if name != "pipeline.__main__"]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
LINES, TEST_LINES, PARAMETERS = 250, 400, 6
# Words of questions and of speech: a docstring names the thing before it says what it does.
QUESTIONS = re.compile(r"(What|How|Where|Which|Whether|Who|Whose|When|Why)\b")
SPEECH = {"told", "said", "shown", "heard", "found", "seen", "around", "asked"}
FOLDERS = {"configs", "data", "prepared", "raw", ".work", "folds", "reports", "submissions", "params.yaml"}
# What stands at the top, and what a path of somebody's own machine begins with.
TOP = """.ci .dvc .dvcignore .gitattributes .gitignore .vscode CHANGELOG.md CONTRIBUTING.md Containerfile LICENSE
Makefile README.md benchmarks configs docs dvc.lock dvc.yaml findings folds notebooks params.yaml pipeline
pyproject.toml requirements submissions tests"""
OWN_PATHS = re.compile(rb"(?<![\w.~$}/-])/(work|home|Users|root|mnt)/\w+")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: str) -> list[FUNCTIONS]:
    return [node for node in walk(module) if isinstance(node, FUNCTIONS)]


def exported(module: str) -> set[str]:
    """The public functions, classes and types that a module defines at its top."""
    names = {node.name for node in tree(module).body if isinstance(node, FUNCTIONS | ast.ClassDef)}
    return {name for name in names if not name.startswith("_")}


def count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def tracked() -> list[str]:
    """Paths of the files that git keeps, in the order of their names."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone of git: which files belong to it is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [each for each in listed.stdout.split("\0") if (ROOT / each).is_file()]


def test_nothing_stands_at_the_top_that_does_not_belong_there() -> None:
    assert not {each.split("/")[0] for each in tracked()} - set(TOP.split())


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    named = {each: OWN_PATHS.findall((ROOT / each).read_bytes()) for each in tracked() if not each.startswith("tests/")}
    assert not {each: found for each, found in named.items() if found}


def test_no_module_is_too_long() -> None:
    paths = [ROOT / Path(*module.split(".")).with_suffix(".py") for module in MODULES]
    assert not {str(path): lines for path in paths if (lines := count_lines(path)) > LINES}


def test_no_test_file_is_too_long() -> None:
    assert not {str(path): lines for path in TESTS if (lines := count_lines(path)) > TEST_LINES}


def test_no_function_takes_more_parameters_than_can_be_kept_in_mind() -> None:
    wide = []
    for module in MODULES:
        if module.startswith("pipeline.commands."):
            continue  # a verb's options are its parameters
        for node in functions(module):
            taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if len([each for each in taken if each.arg not in ("self", "cls")]) > PARAMETERS:
                wide.append((module, node.name))
    assert not wide


def test_every_module_docstring_names_the_thing_first() -> None:
    assert not [each for each in MODULES if QUESTIONS.match(ast.get_docstring(tree(each)) or "Why is there none?")]


def test_no_function_class_or_field_is_called_by_a_word_of_speech() -> None:
    named = set()
    for module in MODULES:
        for node in walk(module):
            if isinstance(node, FUNCTIONS | ast.ClassDef):
                named.add((module, node.name))
            if isinstance(node, ast.ClassDef):
                fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
                named |= {(module, field.id) for field in fields if isinstance(field, ast.Name)}
    assert not {(module, name) for module, name in named if name.strip("_").lower() in SPEECH}


def test_folders_of_the_repository_are_spelled_in_one_module() -> None:
    spelled = set()
    for module in MODULES:
        for node in walk(module):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
                spelled.add((module, node.right.value))
    assert {module for module, part in spelled if part in FOLDERS} == {"pipeline.core.paths"}


def test_no_two_modules_export_one_name() -> None:
    homes = defaultdict(list)
    for module in MODULES:
        for name in exported(module):
            homes[name].append(module)
    # Every stage is run; every shipped combiner and every kind of a section keeps to the form of its siblings.
    assert not {name: found for name, found in homes.items() if len(found) > 1 and name != "run"}
