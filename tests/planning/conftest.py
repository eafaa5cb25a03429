"""What all tests of planning share: no host is asked whether it has weights."""

import pytest

from pipeline.training import missing_weights


@pytest.fixture(autouse=True)
def weights_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Says of each file of weights that it could be downloaded."""
    monkeypatch.setattr(missing_weights, "explain_unreachable", lambda file: "")
