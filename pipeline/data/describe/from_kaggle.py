"""From a Kaggle competition's slug to the active competition: downloads, looks, describes, activates.

Reads: Kaggle through its client, configs/models. Writes: data/raw, a new file under configs/competitions, params.yaml.
"""

import re
from pathlib import Path

from pipeline.core.competition import SLUG, KaggleSource
from pipeline.core.config import read_yaml
from pipeline.core.errors import InputError
from pipeline.core.paths import competitions_folder
from pipeline.data.describe.infer import Inferred, infer
from pipeline.data.describe.init import activate, require_new, write_description
from pipeline.data.describe.match import Choices
from pipeline.data.describe.metric import metric_hint, metric_of
from pipeline.data.sources.source import fetch_source


def describe_kaggle(root: Path, slug: str, name: str | None, choices: Choices, metric: str | None) -> str:
    """Downloads a competition, writes its file and makes it the active one.

    What stops it stops it before anything is written; the download stays, so that the next call need not repeat it.

    Args:
        root: the repository.
        slug: the last part of the competition's address.
        name: of its file; None takes the slug.
        choices: what the user decided where two readings are possible.
        metric: the competition's metric; None stops once the files tell which ones are likely.

    Returns:
        What was read, what to check and what to run next, for a person.

    Raises:
        InputError: no such slug, no download, several readings, no metric, or a description that is there already.
    """
    if not re.fullmatch(SLUG, slug):
        raise InputError(
            f"--kaggle {slug!r} is no slug: a to z, 0 to 9 and - only; take the last part of the competition's "
            "address, https://www.kaggle.com/competitions/SLUG"
        )
    name = name or slug
    require_new(root, name)
    if metric is not None:
        metric_of(metric)
    folder = fetch_source(root, KaggleSource(kind="kaggle", slug=slug))
    inferred = infer(folder, choices, metric)
    if metric is None:
        raise InputError(_which_metric(slug, inferred))
    source = {"kind": "kaggle", "slug": slug}
    lines = write_description(root, name, inferred, source, f"python -m pipeline init --kaggle {slug}")
    lines += [
        f"note: configs/competitions/{other}.yaml describes the same competition; "
        f"`python -m pipeline init {other}` takes it"
        for other in _described(root, slug, name)
    ]
    lines.append(activate(root, name).partition(";")[0])
    lines.append(f"next: read configs/competitions/{name}.yaml, then run `dvc repro` and `python -m pipeline scores`")
    return "\n".join(lines)


def _which_metric(slug: str, inferred: Inferred) -> str:
    return (
        f"no file of {slug} says its metric, https://www.kaggle.com/c/{slug}/overview/evaluation does; run the command "
        f"again with --metric NAME (nothing is downloaded twice): {metric_hint(inferred.sections['submission'])}"
    )


def _described(root: Path, slug: str, name: str) -> list[str]:
    """The other files that speak of the same competition."""
    found = []
    for file in sorted((competitions_folder(root)).glob("*.yaml")):
        try:
            source = read_yaml(file).get("source")
        except InputError:
            continue  # told when somebody uses that file
        if file.stem != name and isinstance(source, dict) and source.get("slug") == slug:
            found.append(file.stem)
    return found
