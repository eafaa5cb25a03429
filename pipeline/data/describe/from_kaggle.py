"""A Kaggle competition by its slug: downloaded, described and made the active one.

Reads: Kaggle through its client, configs/models. Writes: data/raw, a new file under configs/competitions, params.yaml.
"""

import re
from pathlib import Path

from pipeline.core.config import read_yaml
from pipeline.core.errors import InputError
from pipeline.core.paths import competitions_folder
from pipeline.core.source_kinds import SLUG, KaggleSource
from pipeline.data.describe.description import Description, describe_files
from pipeline.data.describe.init import activate_competition, require_new_name, write_description
from pipeline.data.describe.match import Choices
from pipeline.data.describe.metric import list_metrics, parse_metric
from pipeline.data.describe.target_parts import list_mixed
from pipeline.data.sources.source import fetch_source


def describe_kaggle(root: Path, slug: str, name: str | None, choices: Choices, metric: str | None) -> str:
    """Downloads a competition, writes its file and makes it the active one.

    An error comes before anything is written; the download is kept, so that the next call need not repeat it.

    Args:
        root: the repository.
        slug: the last part of the competition's address.
        name: of its file; None takes the slug.
        choices: the user's decisions where several readings are possible.
        metric: the competition's metric; None is an error that lists the likely ones, which the files show.

    Returns:
        A summary, the guesses to check and the next command, for a person.

    Raises:
        InputError: no such slug, no download, several readings, no metric, or a description that is there already.
    """
    if not re.fullmatch(SLUG, slug):
        raise InputError(
            f"--kaggle {slug!r} is not a slug (a to z, 0 to 9 and -); use the last part of the competition's "
            "address, https://www.kaggle.com/competitions/SLUG"
        )
    name = name or slug
    require_new_name(root, name)
    if metric is not None:
        parse_metric(metric)
    folder = fetch_source(root, KaggleSource(kind="kaggle", slug=slug))
    description = describe_files(folder, choices, metric)
    if metric is None and list_mixed(description.sections["train"].target) is None:
        raise InputError(_ask_for_metric(slug, description))
    source = {"kind": "kaggle", "slug": slug}
    lines = write_description(root, name, description, source, f"python -m pipeline init --kaggle {slug}")
    lines += [
        f"note: configs/competitions/{other}.yaml describes the same competition; "
        f"`python -m pipeline init {other}` makes it the active one"
        for other in _described(root, slug, name)
    ]
    lines.append(activate_competition(root, name).partition(";")[0])
    lines.append(f"next: read configs/competitions/{name}.yaml, then run `dvc repro` and `python -m pipeline scores`")
    return "\n".join(lines)


def _ask_for_metric(slug: str, description: Description) -> str:
    likely = list_metrics(description.sections["submission"], description.sections["train"].kind)
    return (
        f"no file of {slug} names its metric; see https://www.kaggle.com/c/{slug}/overview/evaluation and run the "
        f"command again with --metric NAME (nothing is downloaded twice): {likely}"
    )


def _described(root: Path, slug: str, name: str) -> list[str]:
    """Lists the other files that describe the same competition."""
    found = []
    for file in sorted((competitions_folder(root)).glob("*.yaml")):
        try:
            source = read_yaml(file).get("source")
        except InputError:
            continue  # an error for whoever uses that file
        if file.stem != name and isinstance(source, dict) and source.get("slug") == slug:
            found.append(file.stem)
    return found
