"""Notebooks and data sets as files for Kaggle: slugs, metadata, cells as JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SHORTEST, _LONGEST = 6, 50  # letters of a title and of a slug


@dataclass(frozen=True)
class KernelPlan:
    """A notebook to push.

    Attributes:
        user: whose it is.
        slug: its slug, which is also its title.
        file: its name beside the metadata.
        gpu: whether it wants a GPU.
        internet: whether it wants the internet.
    """

    user: str
    slug: str
    file: str
    gpu: bool
    internet: bool


def make_slug(*words: str) -> str:
    """Makes a slug that Kaggle takes: 6 to 50 of a-z, 0-9 and -."""
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:_LONGEST].strip("-")
    return slug if len(slug) >= _SHORTEST else f"{slug}-packed"


def make_dataset_metadata(user: str, slug: str) -> dict[str, Any]:
    """Returns ``dataset-metadata.json``.

    Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/datasets_metadata.md
    """
    # Checkpoints of a competition's data: what may be done with them is for its rules to say.
    return {"title": slug, "id": f"{user}/{slug}", "licenses": [{"name": "other"}]}


def end_slug(slug: str, ending: str) -> str:
    """Adds a word to a slug, which is cut where both would be too long."""
    return f"{slug[: _LONGEST - len(ending) - 1].strip('-')}-{ending}"


def describe_kernel(kernel: KernelPlan, datasets: Sequence[str], competitions: Sequence[str]) -> dict[str, Any]:
    """Returns ``kernel-metadata.json`` of a private notebook.

    Args:
        kernel: the notebook.
        datasets: its inputs, each as ``OWNER/SLUG``.
        competitions: the slugs of competitions among its inputs.

    Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels_metadata.md
    """
    return {
        "id": f"{kernel.user}/{kernel.slug}",
        "title": kernel.slug,
        "code_file": kernel.file,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": kernel.gpu,
        "enable_internet": kernel.internet,
        "dataset_sources": list(datasets),
        "competition_sources": list(competitions),
        "kernel_sources": [],
    }


def render_notebook(text: str, sources: Sequence[str]) -> str:
    """Returns a notebook as JSON: a cell of Markdown, then cells of Python."""
    cells = [_make_text(text), *(_make_code(source) for source in sources)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _make_text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _make_code(source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}
