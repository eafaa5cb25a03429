"""Notebooks that train folds at Kaggle: the bundle is sent once, each is on record until its folds are back."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.core import files
from pipeline.core.config import Section
from pipeline.core.digests import read_signed_json, write_signed_json
from pipeline.core.errors import InputError, one_line
from pipeline.kaggle.kernels import push_kernel, upload_dataset
from pipeline.kaggle.notebook_files import KernelPlan, describe_kernel, make_dataset_metadata
from pipeline.kaggle.training_notebook import BUNDLE, SentBatch, make_folds_notebook

_MARGIN = 300  # seconds that a notebook keeps for its output


class SentFold(Section):
    """A fold that was sent out: model, number, seed (None: the first) and the fingerprint that it must have."""

    model: str
    fold: int
    seed: int | None = None
    fingerprint: str


class PushedKernel(Section):
    """A notebook that was pushed: its name and version, and the folds that it trains."""

    ref: str
    version: int
    tasks: tuple[SentFold, ...]


@dataclass(frozen=True)
class Renting:
    """What is rented, and where it is recorded.

    Attributes:
        folder: of the records.
        user: the user name at Kaggle.
        dataset: the slug of the bundle's data set.
        accelerator: as the client takes it; None for a processor.
        seconds: for each notebook.
    """

    folder: Path
    user: str
    dataset: str
    accelerator: str | None
    seconds: int

    @property
    def ref(self) -> str:
        """The data set, as ``OWNER/SLUG``."""
        return f"{self.user}/{self.dataset}"


def pushed_path(folder: Path) -> Path:
    """Returns the path of the record of notebooks that are not back yet."""
    return folder / "pushed.json"


def read_pushed(folder: Path) -> list[PushedKernel]:
    """Reads which notebooks are not back yet.

    Raises:
        InputError: the record is damaged.
    """
    path = pushed_path(folder)
    if not path.is_file():
        return []
    try:
        if path.read_bytes().startswith(b"["):  # of an earlier version, without a digest
            return TypeAdapter(list[PushedKernel]).validate_json(path.read_bytes())
        value = read_signed_json(path, "fetch from Kaggle by hand")
        return TypeAdapter(list[PushedKernel]).validate_json(json.dumps(value["pushed"]))
    except (ValidationError, KeyError) as error:
        raise InputError(f"{path} is damaged ({one_line(error)}); remove it, and fetch from Kaggle by hand") from error


def write_pushed(folder: Path, pushed: Sequence[PushedKernel]) -> None:
    """Records which notebooks are not back yet."""
    write_signed_json(pushed_path(folder), {"pushed": [kernel.model_dump(mode="json") for kernel in pushed]})


def send_bundle(renting: Renting, write: Callable[[Path], object]) -> str:
    """Uploads what trains the folds, unless Kaggle has it; returns its SHA-256.

    Args:
        renting: where to.
        write: writes the bundle to a path.

    Raises:
        InputError: Kaggle refuses, or cannot be reached.
    """
    sent = _sent_path(renting.folder)
    with tempfile.TemporaryDirectory(dir=renting.folder) as name:
        folder = Path(name)
        write(folder / BUNDLE)
        digest, size = files.sha256(folder / BUNDLE), (folder / BUNDLE).stat().st_size
        before = files.read_json(sent, "run the command again") if sent.is_file() else {}
        if before == {"ref": renting.ref, "sha256": digest}:
            print(f"the data set {renting.ref} holds these {size / 1e6:,.1f} MB already")
            return digest
        print(f"uploading {size / 1e6:,.1f} MB as the private data set {renting.ref}", flush=True)
        sent.unlink(missing_ok=True)
        files.write_json(folder / "dataset-metadata.json", make_dataset_metadata(renting.user, renting.dataset))
        upload_dataset(folder, renting.ref, digest[:16])
    files.write_json(sent, {"ref": renting.ref, "sha256": digest})
    return digest


def push_folds(renting: Renting, slug: str, digest: str, folds: Sequence[SentFold]) -> PushedKernel:
    """Pushes a notebook that trains folds.

    Args:
        renting: on what, for how long.
        slug: of the notebook.
        digest: of the bundle.
        folds: that it trains.

    Raises:
        InputError: Kaggle refuses: no quota, no such accelerator, the data set is gone.
    """
    listed = json.dumps([fold.model_dump(mode="json") for fold in folds])
    batch = SentBatch(renting.dataset, digest, listed, renting.seconds - _MARGIN)
    plan = KernelPlan(renting.user, slug, "train.ipynb", gpu=renting.accelerator is not None, internet=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files.write_json(folder / "kernel-metadata.json", describe_kernel(plan, [renting.ref], []))
        files.write_text(folder / plan.file, make_folds_notebook(batch))
        try:
            version = push_kernel(folder, renting.accelerator, renting.seconds)
        except InputError:
            _sent_path(renting.folder).unlink(missing_ok=True)  # the data set may be gone: uploaded again next time
            raise
    return PushedKernel(ref=f"{renting.user}/{slug}", version=version, tasks=tuple(folds))


def _sent_path(folder: Path) -> Path:
    return folder / "bundle.json"
