"""The rooms: what each may import, what of it others may import, and no circle anywhere; from the real imports."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import pytest
from support.project_imports import ROOT, closure, imports, modules, project_imports, room_of, units, walk


class Room(NamedTuple):
    """A folder of the package.

    Attributes:
        floor: no room imports from its own floor or a higher one.
        imports: the rooms that it may import, beside `core`.
        front: its modules that other rooms may import; the rest is inner.
    """

    floor: int
    imports: str = ""
    front: str = ""


ROOMS = {
    "commands": Room(8, "stages reports data ensemble kaggle training", "answers chain competitions machines use"),
    "stages": Room(7, "reports tuning planning workspace inference training networks data images ensemble kaggle page"),
    "reports": Room(
        6,
        "page images data ensemble kaggle training inference",
        """comparison data.model_inputs data.page data.prepared_data models.evaluation_data models.mistakes models.page
        score_table""",
    ),
    "planning": Room(
        5,
        "workspace page training",
        "candidates choosing derived_files order outlook pace page plan plan_lines prior searching standing steps "
        "suggestions",
    ),
    "tuning": Room(5, "page networks training", "params results space study"),
    "inference": Room(
        5,
        "images networks data ensemble kaggle training",
        """checkpoints demo.app export_formats exported_graph graph_outputs image_files image_results licences notebook
        outside_graph packing parity picture_reader predictor saliency.attribution saliency.heat
        fitted_rule selection task_shape trained_model""",
    ),
    "training": Room(
        4,
        "images networks",
        """classic.recipe classic.training context data dependencies doubted fingerprints finished fold_predictions
        heads.frozen_networks heads.other_heads heads.recipe heads.session looking lr_range machines.job_files
        machines.parcels machines.ray_cluster machines.ray_training machines.ray_worker machines.remote
        machines.travelling memory missing_weights model_file model_folds opening recipes.balance recipes.model_yaml
        recipes.recipe recipes.standalone results seeds setup side_by_side state step_time tabular.recipe task task_list
        unseen_folds""",
    ),
    "networks": Room(
        3,
        "images",
        """backbones.pretrained backbones.published backbones.transformers build checkpoint_files cutting
        feature_batches features hardware head inputs layers.as_trained layers.pixels mlp_hog normalisation predicting
        processor runtime""",
    ),
    "data": Room(
        3,
        "images kaggle",
        """describe.from_kaggle describe.init describe.match prepared.answer_subjects prepared.duplicates prepared.folds
        prepared.image_folder prepared.mirrored_twins prepared.more_rows prepared.near_duplicates prepared.packed_images
        prepared.preparing prepared.record prepared.records prepared.stratification sources.listing
        sources.source""",
    ),
    "images": Room(
        2,
        "",
        """augmentation batches channels decoding dicom fitting hog inspection prefetching preprocessing resizing sift
        slices store store_filling views""",
    ),
    "ensemble": Room(
        2,
        "",
        """calibration candidate_table combiners.contract external fitting members nested recombining shift
        shift_sentences""",
    ),
    "kaggle": Room(
        2,
        "",
        """answers.contract answers.fitting answers.forms answers.pooling answers.sheets board code_submission download
        grading kernels notebook_files
        renting sending solution submission submission_checks submission_log submission_upload submitting
        training_notebook""",
    ),
    "page": Room(2, "", "blocks chart document markup parts pictures table"),
    "workspace": Room(2, "", "disk_use following history option_page running schemas switching tracking"),
    "core": Room(
        1,
        "",
        """active answers archives.kinds archives.listed archives.members archives.packed archives.unpacking
        archives.written arrays bounds candidate_cards cards closure columns competition config confined csvs
        digests errors file_layouts files folders formats ids layouts measures.class_metrics measures.metric
        lock_file memory metrics origin
        paired params_file paths picture_formats plots
        predictions processes progress room row_rules sampling scores seed_cards shift_cards simplex source_kinds
        storage students tables threads
        targets.classes targets.contract targets.grade_heads targets.numbers targets.prepared
        targets.several_labels targets.several_targets targets.spec targets.vote_shares units""",
    ),
}
STAGES = {name for name in modules() if room_of(name) == "stages"}
ENTRY = {"pipeline.cli", "pipeline.__main__"}
BACKENDS = {"tensorflow", "keras", "jax", "torch"}


def top_levels(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


def test_the_package_holds_the_rooms_and_the_command_line_alone() -> None:
    assert {room_of(name) for name in modules()} == {*ROOMS, None}
    assert {name for name in modules() if room_of(name) is None} == ENTRY


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_may_import_lower_floors_alone(room: str) -> None:
    assert all(ROOMS[other].floor < ROOMS[room].floor for other in ROOMS[room].imports.split())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_the_rooms_of_its_row(room: str) -> None:
    used = {room_of(name) for module in modules() if room_of(module) == room for name in project_imports(module)}
    assert used - {room, "core"} == set(ROOMS[room].imports.split())


@pytest.mark.parametrize("room", ROOMS)
def test_others_import_the_front_of_a_room_and_all_of_it(room: str) -> None:
    importers = [module for module in modules() if room_of(module) != room]
    used = {name for module in importers for name in project_imports(module) if room_of(name) == room}
    verbs = {name for name in used if room == "stages"}  # the command line's
    assert {name.removeprefix(f"pipeline.{room}.") for name in used - verbs} == set(ROOMS[room].front.split())


def test_the_training_of_a_fold_passes_through_three_rooms() -> None:
    assert {room_of(name) for name in closure("pipeline.training.trainer")} - {"core"} == {
        "training",
        "networks",
        "images",
    }


@pytest.mark.parametrize("module", sorted(STAGES))
def test_a_stage_imports_no_other_stage(module: str) -> None:
    assert not closure(module) & (STAGES | ENTRY) - {module}


def test_no_import_goes_in_a_circle() -> None:
    left = {name: project_imports(name) & set(modules()) for name in modules()}
    while leaves := {name for name, imported in left.items() if not imported}:  # what imports nothing that is left
        left = {name: imported - leaves for name, imported in left.items() if name not in leaves}
    assert not left, "in a circle, or above one"


@pytest.mark.parametrize("folder", sorted({name.rpartition(".")[0] for name in modules()}))
def test_no_two_parts_of_a_folder_import_each_other_at_any_distance(folder: str) -> None:
    reached = units(folder)
    for _ in range(len(reached).bit_length()):  # each turn doubles the distance
        reached = {part: inner.union(*(reached[each] for each in inner)) for part, inner in reached.items()}
    assert not [part for part, inner in reached.items() if part in inner]


def test_keras_and_its_backends_are_imported_by_one_module_alone() -> None:
    assert {module for module in modules() if top_levels(module) & BACKENDS} == {"pipeline.networks.deferred"}


def test_only_rooms_that_build_or_run_networks_take_keras_from_there() -> None:
    takers = set()
    for module in modules():
        nodes = [node for node in walk(module) if isinstance(node, ast.ImportFrom)]
        if any(alias.name == "keras" for node in nodes for alias in node.names):
            takers.add(room_of(module))
    assert takers == {"networks", "training", "inference"}


def test_init_files_are_empty() -> None:
    assert not [path for path in (ROOT / "pipeline").rglob("__init__.py") if path.stat().st_size]


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "pipeline").rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


VERBS_WITHOUT_NETWORKS = (
    "stages.init",
    "stages.fetch",
    "stages.split",
    "stages.train",  # of heads and classical models; a network starts the backend itself
    "stages.ensemble",
    "stages.submission",
    "stages.submit",
    "stages.pack",
    "stages.predict",  # of heads and classical models, and of networks whose graph is kept
    "stages.board",
    "stages.score",
    "stages.best",
    "data.describe.init",
    "reports.score_table",
)
# Light verbs, the lightest first, and the libraries that take long to import and that they may start with.
LIGHT_VERBS = {
    "stages.fetch": "",
    "stages.tune": "",
    "stages.board": "",
    "reports.score_table": "pandas",
    "stages.submission": "pandas",
    "stages.submit": "pandas",
    "stages.score": "pandas",
    "stages.split": "pandas",
}


def import_in_turn(verbs: Iterable[str], libraries: Iterable[str]) -> dict[str, list[str]]:
    """The libraries that each verb is the first to import, all verbs in one process."""
    code = (
        "import importlib, json, sys, pipeline.cli\n"
        f"heavy = {set(libraries)}\n"
        "imported = {}\n"
        f"for verb in {list(verbs)}:\n"
        "    before = heavy & set(sys.modules)\n"
        "    importlib.import_module(f'pipeline.{verb}')\n"
        "    imported[verb] = sorted(heavy & set(sys.modules) - before)\n"
        "print(json.dumps(imported))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported: dict[str, list[str]] = json.loads(ran.stdout)
    return imported


@cache
def heavy_imports() -> dict[str, list[str]]:
    return import_in_turn(VERBS_WITHOUT_NETWORKS, {"keras", "tensorflow", "jax", "torch", "albumentations"})


@cache
def slow_imports() -> dict[str, list[str]]:
    return import_in_turn(LIGHT_VERBS, {"pandas", "sklearn", "scipy", "matplotlib", "cv2", "PIL"})


def test_recipes_are_read_and_settled_without_keras() -> None:
    parts = ("training.recipes.recipe", "training.setup", "training.results")
    started = import_in_turn(parts, {"keras", "tensorflow", "jax", "torch", "albumentations", "matplotlib"})
    assert not any(started.values())


@pytest.mark.parametrize("module", VERBS_WITHOUT_NETWORKS)
def test_a_verb_without_networks_starts_without_keras(module: str) -> None:
    assert heavy_imports()[module] == []


def test_the_command_line_starts_without_any_stage() -> None:
    code = "import sys, pipeline.cli; print(*(m for m in sys.modules if m.startswith(('pipeline.stages.', 'pandas'))))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


@pytest.mark.parametrize("module", LIGHT_VERBS)
def test_a_light_verb_starts_with_the_slow_libraries_that_it_needs_alone(module: str) -> None:
    assert set(slow_imports()[module]) <= set(LIGHT_VERBS[module].split())
