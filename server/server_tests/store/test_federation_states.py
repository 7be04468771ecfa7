"""Federation states in the store."""

import pytest

from proconsul.errors import RpcError
from proconsul.model.federation_state import FederationState
from proconsul.store.federation_states import delete_federation_state, set_federation_state
from proconsul.store.keys import folded
from proconsul.store.schema import FEDERATION_STATES
from proconsul.store.state import State
from server_tests.store.memory_engine import MemoryEngine


@pytest.mark.parametrize(("given", "kept"), [(0, 6), (99, 99)])
def test_a_state_without_the_primarys_index_was_written_in_the_primary(
    given: int, kept: int
) -> None:
    state = State(MemoryEngine())
    with state.write(5) as txn:
        set_federation_state(txn, FederationState(datacenter="DC2"))
    with state.write(6) as txn:
        set_federation_state(txn, FederationState(datacenter="dc2", primary_modify_index=given))
    row = state.read().row(FEDERATION_STATES, folded("dc2"))
    assert row is not None
    assert (row.create_index, row.modify_index, row.primary_modify_index) == (5, 6, kept)


def test_deleting_what_is_not_there_moves_no_index() -> None:
    state = State(MemoryEngine())
    with state.write(5) as txn:
        delete_federation_state(txn, "dc2")
    assert not state.read().has_index("federation-states")
    with state.write(6) as txn:
        set_federation_state(txn, FederationState(datacenter="dc2"))
    with state.write(7) as txn:
        delete_federation_state(txn, "DC2")
    assert state.read().table_index("federation-states") == 7


def test_a_state_belongs_to_a_datacenter() -> None:
    with (
        State(MemoryEngine()).write(1) as txn,
        pytest.raises(RpcError, match="missing datacenter on federation state"),
    ):
        set_federation_state(txn, FederationState())
