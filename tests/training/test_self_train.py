"""Self-training: rounds that go on while they gain beyond chance, each taught by the one before."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support import tiny
from support.fabricated import train_fake, write_model_card
from support.trainings import repository, settings

from pipeline.core import paths, tables
from pipeline.core.errors import InputError
from pipeline.stages import self_train
from pipeline.training.recipes.recipe import load_recipe


def fake(root: Path, name: str, skill: float) -> None:
    """Writes predictions and card of a model as if it was trained; 0.35 is near chance, 0.6 right in all rows."""
    train_fake(root, name, seed=1, skill=skill)
    write_model_card(
        root, name, pooled=skill, fold_table=tables.folds_digest(tables.read_folds(paths.folds_path(root)))
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two trained teachers, of which ``wise`` is better, and a student of both."""
    made = repository(tmp_path)
    for name, skill in (("dull", 0.0), ("wise", 0.1)):
        tiny.write_yaml(made / "configs" / "models" / f"{name}.yaml", settings())
        fake(made, name, skill)
    pseudo = {"teachers": ["dull", "wise"], "temperature": 0.5}
    tiny.write_yaml(made / "configs" / "models" / "one.yaml", settings(pseudo=pseudo))
    return made


def trainer(skills: dict[str, float], trained: list[str]) -> Callable[[Path, str], None]:
    def train(root: Path, name: str) -> None:
        trained.append(name)
        fake(root, name, skills[name])

    return train


def test_rounds_end_with_the_first_that_gains_nothing_beyond_chance(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = list[str]()
    skills = {"one": 0.25, "one_round2": 0.6, "one_round3": 0.6, "one_round4": 0.6}
    self_train.run(root, "one", 4, trainer(skills, trained))
    assert trained == ["one", "one_round2", "one_round3"]
    printed = capsys.readouterr().out
    assert "round 1: one against wise: accuracy" in printed
    assert "round 3: one_round3 against one_round2: accuracy" in printed
    assert printed.endswith(
        "one_round3 gains nothing beyond chance over one_round2, so this ends here; keep one_round2\n"
    )
    first, second, third = (load_recipe(root, name).training for name in trained)
    assert second.pseudo is not None
    assert third.pseudo is not None
    assert (second.pseudo.teachers, third.pseudo.teachers) == (("one",), ("one_round2",))
    assert first.pseudo == second.pseudo.model_copy(update={"teachers": ("dull", "wise")})
    assert not paths.model_path(root, "one_round4").exists()


def test_the_same_command_goes_on_where_it_was_and_a_last_round_that_gains_is_kept(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skills, trained = {"one": 0.25, "one_round2": 0.6}, list[str]()
    self_train.run(root, "one", 1, trainer(skills, trained))
    assert "one still gained in round 1, the last one asked for; keep it, or say --rounds 2" in capsys.readouterr().out
    self_train.run(root, "one", 2, trainer(skills, trained))
    written = paths.model_path(root, "one_round2").read_bytes()
    self_train.run(root, "one", 2, trainer(skills, trained))
    assert paths.model_path(root, "one_round2").read_bytes() == written
    assert trained == ["one", "one", "one_round2", "one", "one_round2"]


def test_a_student_without_gain_leaves_the_better_teacher(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    self_train.run(root, "one", 3, trainer({"one": 0.1}, []))
    assert "one gains nothing beyond chance over wise, so this ends here; keep wise" in capsys.readouterr().out
    assert not paths.model_path(root, "one_round2").exists()


def test_what_cannot_be_is_one_line(root: Path) -> None:
    train = trainer({"one": 0.25, "one_round2": 0.6}, [])
    with pytest.raises(InputError, match=r"wise.yaml has no training.pseudo, so there is nothing to learn from"):
        self_train.run(root, "wise", 2, train)
    tiny.write_yaml(paths.model_path(root, "one_round2"), settings())
    with pytest.raises(InputError, match=r"one_round2.yaml is there and is no round of one as its file is now"):
        self_train.run(root, "one", 2, train)
    paths.card_path(root, "wise").unlink()
    with pytest.raises(InputError, match=r"wise is not trained; run `python -m pipeline train wise` first"):
        self_train.run(root, "one", 2, train)
