"""All cases, in the order in which they run; a new `cases_*.py` is found by its name."""

import importlib
import pkgutil

from server_tests import differential
from server_tests.differential.run import Case


def all_cases() -> list[Case]:
    """Every case of every `cases_*.py`."""
    names = sorted(
        module.name
        for module in pkgutil.iter_modules(differential.__path__)
        if module.name.startswith("cases_")
    )
    found: list[Case] = []
    for name in names:
        module = importlib.import_module(f"{differential.__name__}.{name}")
        cases: list[Case] = module.CASES
        found.extend(cases)
    titles = [(case.group, case.name) for case in found]
    assert len(titles) == len(set(titles)), "two cases have one name"
    return found
