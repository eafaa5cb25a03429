"""Writes what the YAML files may hold: a page of all options, and schemas by which editors complete and check. By hand.

Reads: the sections of the code. Writes: docs/options.md, configs/schemas/{params,competition,model}.json
"""

import json
from pathlib import Path

from pipeline.core.competition import Competition
from pipeline.core.config import Section
from pipeline.core.files import write_text
from pipeline.core.paths import options_page_path, schema_path
from pipeline.data.prepared.preparing import PrepareParams
from pipeline.data.prepared.stratification import SplitParams
from pipeline.ensemble.fitting import EnsembleParams
from pipeline.training.classic.recipe import ClassicRecipe
from pipeline.training.context import TrainParams
from pipeline.training.heads.recipe import HeadRecipe
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.tabular.recipe import TabularRecipe
from pipeline.tuning.params import TuneParams
from pipeline.tuning.space import SearchSection
from pipeline.workspace.option_page import PagePart, make_option_page
from pipeline.workspace.schemas import DRAFT, FileKind, Schema, join_file_kinds, join_parts, make_section_schema
from pipeline.workspace.tracking import TrackParams

PARAMS_SECTIONS: dict[str, type[Section]] = {
    "prepare": PrepareParams,
    "split": SplitParams,
    "tune": TuneParams,
    "train": TrainParams,
    "ensemble": EnsembleParams,
    "track": TrackParams,
}
MODEL_KINDS = (
    FileKind("a tabular model", "tabular", TabularRecipe),
    FileKind("a classic model", "classifier", ClassicRecipe),
    FileKind("a head on cached features", "backbones", HeadRecipe),
    FileKind("a network", "", Recipe),
)
_NAMES: Schema = {
    "competition": {"type": "string", "description": "a file under configs/competitions, without .yaml"},
    "models": {
        "type": "array",
        "items": {"type": "string"},
        "description": "files under configs/models, without .yaml, each trained on every fold",
    },
}
_OPENING = """# Every key of the YAML files

Made by `python -m pipeline options` from the code that reads the files: change it there. The same command writes
`configs/schemas/*.json`, by which an editor completes keys, shows these sentences and marks mistakes. VS Code with the
extension *YAML* (by Red Hat) finds them through `.vscode/settings.json`; any other editor with a YAML language server
finds them by a first line such as `# yaml-language-server: $schema=../schemas/model.json`. After adding an architecture
of your own run the command again, and its keys are there, too.

A list is written `[a, b]`, a mapping `{key: value}`; `null` stands for no value. *must be given* marks keys without a \
default.
"""


def make_schemas() -> dict[str, Schema]:
    """Makes the schemas of the three kinds of files, by name: params, competition, model."""
    search = make_section_schema(SearchSection)
    space = {"search": search["$defs"]["SearchSection"]["properties"]["search"]}
    model = join_file_kinds(MODEL_KINDS, space)
    model["$defs"] |= {name: each for name, each in search["$defs"].items() if name != "SearchSection"}
    # A head reads its backbones' networks as mappings, so that no backend starts; the keys are those of networks.
    network = model["$defs"]["Recipe"]["properties"]["network"]
    frozen = model["$defs"]["FrozenBackbone"]["properties"]
    frozen["network"] = {**network, "description": frozen["network"]["description"]}
    return {
        "params": join_parts(PARAMS_SECTIONS, _NAMES),
        "competition": {"$schema": DRAFT, **make_section_schema(Competition)},
        "model": model,
    }


def make_page(schemas: dict[str, Schema]) -> str:
    """Makes the page of all options."""
    definitions = schemas["model"]["$defs"]
    kinds = [
        PagePart(
            f"configs/models: {kind.title}",
            f"A file with the key `{kind.marker}`."
            if kind.marker
            else "A file without the keys `backbones`, `classifier` and `tabular`.",
            {"$ref": f"#/$defs/{kind.section.__name__}", "$defs": definitions},
        )
        for kind in reversed(MODEL_KINDS)
    ]
    parts = [
        PagePart("params.yaml", "Settings of a run.", schemas["params"]),
        *kinds,
        PagePart(
            "configs/competitions", "A competition: see [competitions.md](competitions.md).", schemas["competition"]
        ),
    ]
    return make_option_page(_OPENING, parts)


def run(root: Path) -> None:
    """Writes the page and the schemas."""
    schemas = make_schemas()
    for name, schema in schemas.items():
        write_text(schema_path(root, name), json.dumps(schema, indent=1, ensure_ascii=False) + "\n")
    write_text(options_page_path(root), make_page(schemas))
    print("wrote docs/options.md and configs/schemas/{" + ",".join(schemas) + "}.json")
