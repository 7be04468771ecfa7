"""Autopilot's one row."""

from proconsul.model.operator import AutopilotConfig
from proconsul.store.autopilot import autopilot_config, set_autopilot_config
from proconsul.store.schema import AUTOPILOT
from proconsul.store.state import State
from proconsul.store.watch import WatchSet
from server_tests.store.memory_engine import MemoryEngine


def test_the_configuration_has_its_own_index_and_wakes_who_reads_it() -> None:
    state = State(MemoryEngine())
    watch = WatchSet()
    assert autopilot_config(state.read(), watch) == (0, None)
    assert watch.keys == {(AUTOPILOT.name, b"")}
    for index in (4, 5):
        with state.write(index) as txn:
            set_autopilot_config(txn, AutopilotConfig(max_trailing_logs=index))
    expected = AutopilotConfig(max_trailing_logs=5, create_index=4, modify_index=5)
    assert autopilot_config(state.read(), None) == (5, expected)
