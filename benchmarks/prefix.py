"""The last blocks trained on what the layers below made once, against the same layers trained on images: a fold each.

    COMPETITIONS_DIR=... WEIGHTS_DIR=... python -m benchmarks.prefix [--epochs N] [--alone]

Prints accuracy and CPU seconds of whole processes: with the pass over the images, without it (as every further fold and
later model has it), and on images; and the ratios.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.core import cards, paths
from pipeline.networks import hardware, runtime
from pipeline.networks.build import build_network
from pipeline.networks.cutting import cut_network
from pipeline.stages import fetch, prepare, split
from pipeline.training.recipes.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
CACHED, LIVE = "with_prefix", "on_images"


def main() -> None:
    """Measures the three trainings and prints a line for each and one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--competition", default="animals15")
    parser.add_argument("--model", default="mobilenet_v2_128_last_blocks")
    parser.add_argument("--epochs", type=int, help="of the last phase; the model's own by default")
    parser.add_argument("--alone", action="store_true", help="leave out the phases before it")
    parser.add_argument("--fold", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prefix-") as folder:
        root = Path(folder)
        shutil.copytree(ROOT / "configs", root / "configs")
        _write_params(root, options)
        _write_models(root, options)
        for stage in (fetch, prepare, split):
            stage.run(root)
        live = _train(root, LIVE)
        first = _train(root, CACHED)
        shutil.rmtree(root / ".work" / "train")
        again = _train(root, CACHED)
    found = {"on_images": live, "with_the_pass": first, "pass_kept": again}
    for name, (score, seconds) in found.items():
        print(f"{name}: {score:.4f}, {seconds:.0f} CPU seconds", flush=True)
    ratios = {"ratio_with_the_pass": live[1] / first[1], "ratio_pass_kept": live[1] / again[1]}
    summary = {name: round(ratio, 2) for name, ratio in ratios.items()}
    print(json.dumps(vars(options) | summary | {"cores": os.cpu_count(), "hardware": hardware.name_hardware()}))


def _write_params(root: Path, options: argparse.Namespace) -> None:
    yaml = YAML(typ="safe")
    params: dict[str, Any] = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"competition": options.competition, "models": [CACHED, LIVE]}
    params["train"] |= {"folds": [options.fold], "precision": "float32"}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def _write_models(root: Path, options: argparse.Namespace) -> None:
    """Writes the model as it is, and with as many layers that train in place of its prefix."""
    recipe = load_recipe(ROOT, options.model)
    prefix, size = recipe.training.prefix, recipe.input.size
    assert prefix is not None, f"{options.model} has no prefix"
    assert size is not None, f"{options.model} names no input.size"
    runtime.start_backend("float32")
    net = build_network(recipe.network, size, 3, 2)
    assert net.body is not None
    assert net.head is not None
    above = len(net.depth) - len(cut_network(net.body, net.head, prefix.after, "training.prefix.after").below)
    settings: dict[str, Any] = recipe.model_dump(mode="json")
    settings["training"]["epochs"] = options.epochs or recipe.training.epochs
    settings["training"]["validate_every"] = settings["training"]["epochs"]
    if options.alone:
        settings["training"]["before"] = []
    variants: dict[str, dict[str, Any]] = {CACHED: {}, LIVE: {"prefix": None, "unfreeze": above}}
    for name, changes in variants.items():
        with paths.model_path(root, name).open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(settings | {"training": settings["training"] | changes}, file)


def _train(root: Path, model: str) -> tuple[float, float]:
    """Trains a fold in a process of its own; returns its score and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pipeline", "train", model]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    card = cards.read_card(paths.card_path(root, model), cards.ModelCard)
    return card.pooled, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
