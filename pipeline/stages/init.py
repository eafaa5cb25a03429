"""Makes a competition the active one, or describes a new one. Run by hand: no stage of dvc.yaml.

Reads: configs/competitions, configs/models; a folder, a zip or Kaggle.
Writes: params.yaml, or a new file under configs/competitions (for a Kaggle competition both, and data/raw); a switch
    keeps dvc.lock and folds/folds.csv in .work/competitions/<name> and takes those of the other from there
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.core.active import active_models
from pipeline.core.errors import InputError, printable
from pipeline.data.describe.from_kaggle import describe_kaggle
from pipeline.data.describe.init import activate_competition, describe_local, propose_name
from pipeline.data.describe.match import Choices
from pipeline.workspace.switching import Standpoint, bring_back, keep_aside, read_standpoint


@dataclass(frozen=True)
class InitSubject:
    """The competition: exactly one of these is given.

    Attributes:
        name: of a described one.
        folder: the folder or zip of a new one.
        slug: of a new one at Kaggle.
    """

    name: str | None = None
    folder: Path | None = None
    slug: str | None = None


def run(
    root: Path, subject: InitSubject, new_name: str | None, metric: str | None, choices: Choices, activate: bool = False
) -> None:
    """Activates or describes a competition and prints a summary.

    Args:
        root: the repository.
        subject: the competition.
        new_name: of a new competition's file; None takes the source's.
        metric: of a new competition.
        choices: the user's decisions where a new competition's files can be read in several ways.
        activate: whether a new one from a folder or zip becomes the active one at once; one from Kaggle always does.

    Raises:
        InputError: no subject or several, or decisions about a competition that is described already.
    """
    if [subject.name, subject.folder, subject.slug].count(None) != 2:
        raise InputError("init takes one of: the NAME of a described competition, --from PATH, --kaggle SLUG")
    if subject.slug is not None:
        left = read_standpoint(root)
        text = describe_kaggle(root, subject.slug, new_name, choices, metric)
        text = "\n".join([text, *_keep_results(root, left)])
    elif subject.folder is not None:
        text = describe_local(root, subject.folder, new_name, choices, metric)
        if activate:
            name = new_name or propose_name(subject.folder)
            text = text.rpartition("\n")[0] + f"\n{_switch(root, name)}"
    elif subject.name is not None and choices == Choices() and new_name is None and metric is None:
        text = _switch(root, subject.name)
    else:
        raise InputError(
            f"init {subject.name} takes no options: {subject.name} is described already; they belong to --from and "
            "--kaggle"
        )
    print("\n".join(map(printable, text.split("\n"))))


def _switch(root: Path, name: str) -> str:
    """Makes a described competition the active one; results go with their competitions."""
    left = read_standpoint(root)
    text = activate_competition(root, name)
    if left is None or left.name == name:
        return text
    lines = [text.partition(";")[0], *_keep_results(root, left)]
    seconds = bring_back(root, name)
    if seconds is None:
        return "\n".join([*lines, "next: `python -m pipeline run`"])
    lines[0] = f"params.yaml: competition {name}, models {', '.join(active_models(root))}"
    back = f"results of {name} are back after {seconds:.0f} s"
    return "\n".join([*lines, f"{back}; `python -m pipeline run` makes what has changed since"])


def _keep_results(root: Path, left: Standpoint | None) -> list[str]:
    """Keeps the results of a competition that is left, and says so; nothing where it is the active one still."""
    now = read_standpoint(root)
    if left is None or (now is not None and now.name == left.name) or not keep_aside(root, left):
        return []
    return [f"results of {left.name} are kept: `python -m pipeline init {left.name}` brings them back"]
