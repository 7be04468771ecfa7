"""A start imports nothing that is large and that most servers never need."""

import subprocess
import sys

import pytest

LOADED = "import sys, proconsul.agent, proconsul.client_agent; print(*sys.modules)"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True)
    return set(said.stdout.decode().split())


@pytest.mark.parametrize(
    "package",
    ["cryptography", "email.utils", "h2", "html", "http.client", "lark", "prometheus_client"],
)
def test_a_large_package_waits_for_its_first_use(loaded: set[str], package: str) -> None:
    assert "proconsul.agent" in loaded
    assert package not in loaded
