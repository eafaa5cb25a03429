"""Models for a competition that nobody described: by size and number of its images."""

from pathlib import Path

import pytest

from pipeline.core.errors import InputError
from pipeline.data.describe.proposal import FEW, SMALL, propose_models

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("side", "channels", "images", "names"),
    [
        (SMALL, 1, FEW - 1, ("quick_cnn", "mlp_pixels", "hog_logreg")),
        (SMALL, 1, FEW, ("quick_cnn", "deep_elu_cnn")),
        (SMALL, 3, FEW - 1, ("mobilenet_v2_xception_logistic", "mobilenet_v2_inner_logistic")),
        (
            *(SMALL, 3, FEW),
            ("mobilenet_v2_xception_logistic", "mobilenet_v2_160_upper_blocks", "xception_160_upper_blocks"),
        ),
        (SMALL + 1, 3, FEW - 1, ("mobilenet_v2_224_logistic", "xception_299_logistic")),
        (SMALL + 1, 1, FEW, ("mobilenet_v2_224_logistic", "xception_160_logistic", "xception")),
    ],
)
def test_the_rule_of_the_docs_is_kept_with_shipped_models(
    side: int, channels: int, images: int, names: tuple[str, ...]
) -> None:
    assert propose_models(REPOSITORY, side, channels, images).names == names


def test_models_that_were_removed_are_not_proposed(tmp_path: Path) -> None:
    (tmp_path / "configs" / "models").mkdir(parents=True)
    (tmp_path / "configs" / "models" / "mlp_pixels.yaml").write_text("")
    assert propose_models(tmp_path, 28, 1, 100).names == ("mlp_pixels",)


def test_without_any_model_to_propose_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="configs/models holds none of the models to propose"):
        propose_models(tmp_path, 28, 1, 100)
