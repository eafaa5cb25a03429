"""Attention rollout, by hand and on a tiny Vision Transformer."""

import numpy as np
import pytest

from pipeline.inference.saliency.rollout import compute_rollout, multiply_attentions
from pipeline.networks import runtime
from pipeline.networks.backbones.transformers import compute_attentions
from pipeline.networks.backbones.vit import Vit, VitShape
from pipeline.networks.build import build_network


def vit(pooling: str = "token") -> Vit:
    shape = VitShape(patch_size=4, layers=2, heads=2, hidden=8, mlp=8)
    return Vit.model_validate({"name": "vit", "weights": "none", "shape": shape, "pooling": pooling})


def test_two_blocks_come_to_what_is_worked_out_by_hand() -> None:
    """Half of each block's attention is the residual connection: 0.5 (A + I), the second times the first."""
    first = np.array([[[[1.0, 0.0], [1.0, 0.0]]]], dtype=np.float32)
    second = np.array([[[[0.0, 1.0], [0.0, 1.0]]]], dtype=np.float32)
    # [[.5, .5], [0, 1]] @ [[1, 0], [.5, .5]]
    np.testing.assert_allclose(multiply_attentions([first, second])[0], [[0.75, 0.25], [0.5, 0.5]])


def test_heads_are_averaged() -> None:
    heads = np.array([[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]], dtype=np.float32)
    np.testing.assert_allclose(multiply_attentions([heads])[0], [[0.75, 0.25], [0.25, 0.75]])


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["token", "average"])
def test_a_tiny_transformer_gives_one_place_for_each_patch(pooling: str) -> None:
    runtime.start_backend("float32")
    section = vit(pooling)
    net = build_network(section, 12, 1, 3)
    assert net.backbone is not None
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 1)).astype(np.uint8)
    heat = compute_rollout(net.model, net.backbone, section, images)
    assert heat.shape == (2, 3, 3)
    assert (heat > 0).all()
    assert (heat.sum(axis=(1, 2)) < 1).all()  # the class token keeps the rest


def test_attention_is_that_of_the_network_itself() -> None:
    """Rows sum to 1, block by block, and the tokens that come out of the blocks are the network's own."""
    runtime.start_backend("float32")
    net = build_network(vit(), 12, 3, 3)
    assert net.backbone is not None
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3)).astype(np.uint8)
    found = compute_attentions(net.model, net.backbone, images)
    assert [one.shape for one in found] == [(2, 2, 10, 10)] * 2
    np.testing.assert_allclose(np.stack(found).sum(axis=-1), 1, rtol=1e-5)
