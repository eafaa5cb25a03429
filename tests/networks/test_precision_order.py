"""The tests themselves: none computes in the precision that another has left."""

from pipeline.networks import runtime
from pipeline.networks.runtime import keras


def test_a_test_leaves_half_the_bits() -> None:
    runtime.start_backend("bfloat16")
    assert keras.layers.Dense(1).compute_dtype == "bfloat16"


def test_the_next_finds_float32() -> None:
    assert runtime.name_policy() == "float32"
    assert keras.layers.Dense(1).compute_dtype == "float32"
