"""The competition to work on: makes a described one the active one, or describes a new one.

Reads: configs/competitions, configs/models, a folder or zip. Writes: params.yaml, or a new file under
configs/competitions, with one under configs/metrics where no shipped metric fits.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.core.archives.kinds import strip_archive_ending
from pipeline.core.competition import Competition, load_competition
from pipeline.core.config import expand, parse_text
from pipeline.core.confined import require_own_folder
from pipeline.core.errors import InputError, near_names
from pipeline.core.files import write_text
from pipeline.core.params_file import write_active
from pipeline.core.paths import competition_path, metrics_folder, models_folder
from pipeline.data.describe.description import Description, describe_files
from pipeline.data.describe.match import Choices
from pipeline.data.describe.proposal import propose_models
from pipeline.data.describe.target_parts import format_own_metric, list_mixed
from pipeline.data.describe.text import format_competition


def activate_competition(root: Path, name: str) -> str:
    """Writes a competition and the models recommended for it into ``params.yaml``; comments and other values stay.

    Args:
        root: the repository.
        name: a file under ``configs/competitions``, without ``.yaml``.

    Returns:
        A summary of the change, for a person.

    Raises:
        InputError: no such competition, its file does not fit, a recommended model has no file, or no ``params.yaml``.
    """
    competition = load_competition(root, name)
    known = [file.stem for file in models_folder(root).glob("*.yaml")]
    for model in competition.models:
        if model not in known:
            place = f"configs/competitions/{name}.yaml: models"
            raise InputError(f"{place}: {model} has no file under configs/models; {near_names(model, known)}")
    write_active(root, competition.models, name)
    return f"params.yaml: competition {name}, models {', '.join(competition.models)}; run `dvc repro`"


def describe_local(
    root: Path, source: Path, name: str | None = None, choices: Choices | None = None, metric: str | None = None
) -> str:
    """Describes a folder or zip in a new file under ``configs/competitions``, with facts and guesses as comments.

    Args:
        root: the repository.
        source: the folder or zip; may hold ``${VARIABLE}``.
        name: of the new competition; None takes the source's.
        choices: the user's decisions where several readings are possible.
        metric: the competition's metric; None guesses, and lists the guess to check.

    Returns:
        A summary, the guesses to check and the next command, for a person.

    Raises:
        InputError: nothing to read, several readings, a bad name, or a competition of that name is there.
    """
    found = Path(expand(str(source), "--from")).expanduser()
    if not found.exists():
        raise InputError(f"--from {source} does not exist; give the path of a folder or archive")
    if found.is_dir():
        require_own_folder(root, found)
    name = name or propose_name(source)
    require_new_name(root, name)
    description = describe_files(found, choices or Choices(), metric)
    where = {"kind": "local", "path": _source_path(root, source, found)}
    lines = write_description(root, name, description, where, "python -m pipeline init --from")
    return "\n".join([*lines, f"next: read the file, then run `python -m pipeline init {name}`"])


def propose_name(source: Path) -> str:
    """Returns the name that a competition gets from its folder or archive; the path may hold ``${VARIABLE}``."""
    found = Path(expand(str(source), "--from")).expanduser()
    return re.sub(r"\W+", "_", strip_archive_ending(found.resolve().name).lower()).strip("_")


def require_new_name(root: Path, name: str) -> None:
    """Refuses a name that cannot be a competition's, or is one's already.

    Raises:
        InputError: with the reason.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
        raise InputError(f"{name!r} cannot be the name of a competition; give --name with letters, digits, _ and -")
    path = competition_path(root, name)
    if path.exists():
        raise InputError(
            f"{path.relative_to(root)} exists and is not overwritten; make it the active one with "
            f"`python -m pipeline init {name}`, give another --name, or remove it first"
        )


def write_description(
    root: Path, name: str, description: Description, source: Mapping[str, str], made_by: str
) -> list[str]:
    """Writes a competition's new file, models proposed for it included.

    Returns:
        A summary and the guesses to check, line by line.
    """
    path = competition_path(root, name)
    storage, train = description.sections["storage"].section, description.sections["train"]
    models = propose_models(root, storage["size"], storage["channels"], train.rows)
    description, starter = _name_own_metric(description, name)
    text = format_competition(description, name, source, models, made_by)
    parse_text(text, Competition, f"{path.relative_to(root)} (described)")
    own = metrics_folder(root) / f"{name}.py"
    made = [] if starter is None else [f"{'kept' if own.exists() else 'wrote'} {own.relative_to(root)}: the metric"]
    if starter is not None and not own.exists():  # what a person wrote there stays
        write_text(own, starter)
    write_text(path, text)
    submission = description.sections["submission"].section
    return [
        f"wrote {path.relative_to(root)}: {train.section['layout']}, {train.rows:,} images, "
        f"{len(train.classes)} classes, submission {submission['kind']}, "
        f"metric {description.sections['metric'].section['name']}",
        *made,
        f"models: {', '.join(models.names)} ({models.reason})",
        *(f"check: {line}" for line in description.check),
    ]


def _name_own_metric(description: Description, name: str) -> tuple[Description, str | None]:
    """Names the file of a metric of the user's own after the competition: the description, and a file to start from."""
    metric, target = description.sections["metric"], description.sections["train"].target
    if list_mixed(target) is None:
        return description, None
    metric = replace(metric, section={"file": f"{name}.py", **metric.section})
    return replace(description, sections=description.sections | {"metric": metric}), format_own_metric(name, target)


def _source_path(root: Path, source: Path, found: Path) -> str:
    if "${" in str(source):
        return str(source)
    whole, base = found.resolve(), root.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(found.absolute())
