"""The helm that a test asks for."""

import pytest

from operator_tests.charts.helm import find_helm


@pytest.fixture
def helm() -> str:
    """Its path."""
    return find_helm()
