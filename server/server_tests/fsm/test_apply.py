"""What applying commands answers, and what it leaves alone."""

import pytest

from proconsul.fsm.apply import FsmError, apply
from proconsul.fsm.commands import (
    IGNORE_UNKNOWN,
    MessageType,
    Request,
    Skipped,
    UnknownCommandError,
)
from proconsul.model.acl import ACL, ACLRequest, ACLToken, ACLTokenBootstrapRequest
from proconsul.model.catalog import DeregisterRequest, NodeService, RegisterRequest
from proconsul.model.config_entry import ConfigEntryRequest, ServiceConfigEntry
from proconsul.model.connect_ca import (
    CAConfiguration,
    CAConsulProviderState,
    CALeafRequest,
    CARequest,
    CARoot,
)
from proconsul.model.federation_state import FederationState, FederationStateRequest
from proconsul.model.health import HealthCheck
from proconsul.model.intention import IntentionRequest
from proconsul.model.kv import DirEntry, KVSRequest, TombstoneRequest
from proconsul.model.operator import AutopilotConfig, AutopilotSetConfigRequest
from proconsul.model.prepared_query import PreparedQueryRequest
from proconsul.model.session import Session, SessionRequest
from proconsul.model.txn import TxnKVOp, TxnOp, TxnRequest, TxnResponse
from proconsul.store import connect_ca
from proconsul.store.keys import folded
from proconsul.store.schema import KVS, NODES
from server_tests.fsm.states import empty_state, index_table, run, saved

UUID = "40e4a748-2192-161a-0510-000000000001"


def kv(op: str, key: str = "k", value: bytes = b"v") -> KVSRequest:
    return KVSRequest(op=op, dir_ent=DirEntry(key=key, value=value))


@pytest.mark.parametrize(
    ("message_type", "request_", "text"),
    [
        (MessageType.KVS, kv("swap"), "Invalid KVS operation 'swap'"),
        (MessageType.SESSION, SessionRequest(op="x"), "Invalid Session operation 'x'"),
        (MessageType.ACL, ACLRequest(op="x"), "Invalid ACL operation 'x'"),
        (MessageType.TOMBSTONE, TombstoneRequest(op="x"), "Invalid Tombstone operation 'x'"),
        (MessageType.CONNECT_CA, CARequest(op="x"), "Invalid CA operation 'x'"),
        (MessageType.CONNECT_CA_LEAF, CALeafRequest(op="x"), "Invalid CA operation 'x'"),
        (
            MessageType.CONFIG_ENTRY,
            ConfigEntryRequest(op="x", entry=ServiceConfigEntry()),
            "invalid config entry operation type: x",
        ),
        (
            MessageType.FEDERATION_STATE,
            FederationStateRequest(op="x", state=FederationState()),
            "invalid federation state operation type: x",
        ),
        (
            MessageType.FEDERATION_STATE,
            FederationStateRequest(op="upsert", state=FederationState()),
            "missing datacenter on federation state",
        ),
        (MessageType.SESSION, SessionRequest(op="create"), "Missing session ID"),
        (
            MessageType.REGISTER,
            RegisterRequest(node="n", address="a", check=HealthCheck(node="other")),
            'check node "other" does not match node "n"',
        ),
        (
            MessageType.CONNECT_CA,
            CARequest(op="set-roots", roots=[CARoot(id="a"), CARoot(id="b")]),
            "there must be exactly one active CA",
        ),
        (
            MessageType.CONNECT_CA,
            CARequest(op="set-roots", roots=[CARoot(active=True)]),
            "Missing CA Root ID",
        ),
    ],
)
def test_a_refusal_is_a_value_and_leaves_the_state_alone(
    message_type: MessageType, request_: Request, text: str
) -> None:
    state = empty_state()
    assert run(state, 5, MessageType.KVS, kv("set")) is None
    before = saved(state)
    assert run(state, 6, message_type, request_) == FsmError(text)
    assert saved(state) == before


@pytest.mark.parametrize(
    ("message_type", "request_"),
    [
        (MessageType.PREPARED_QUERY, PreparedQueryRequest(op="create")),
        (MessageType.INTENTION, IntentionRequest(op="create")),
        (MessageType.CONNECT_CA, CARequest(op="set-config")),
        (MessageType.CONNECT_CA, CARequest(op="set-provider-state")),
        (MessageType.FEDERATION_STATE, FederationStateRequest(op="upsert")),
    ],
)
def test_a_request_about_nothing_is_refused(message_type: MessageType, request_: Request) -> None:
    assert isinstance(run(empty_state(), 5, message_type, request_), FsmError)


def test_half_of_a_refused_registration_is_undone_too() -> None:
    state = empty_state()
    request = RegisterRequest(
        node="n",
        address="a",
        service=NodeService(id="s", service="s"),
        check=HealthCheck(node="n", check_id="c", service_id="missing"),
    )
    assert isinstance(run(state, 5, MessageType.REGISTER, request), FsmError)
    assert state.read().row(NODES, folded("n")) is None
    assert index_table(state) == {}


def test_key_operations_answer_what_consul_answers() -> None:
    state = empty_state()
    assert run(state, 1, MessageType.KVS, kv("set")) is None
    assert run(state, 2, MessageType.KVS, kv("cas")) is False
    assert run(state, 3, MessageType.KVS, kv("cas", "other")) is True
    assert run(state, 4, MessageType.KVS, kv("unlock")) == FsmError("missing session")
    foreign = KVSRequest(op="unlock", dir_ent=DirEntry(key="k", session=UUID))
    assert run(state, 4, MessageType.KVS, foreign) is False
    assert run(state, 5, MessageType.KVS, kv("delete-cas", "absent")) is True
    assert run(state, 6, MessageType.KVS, kv("delete-tree", "")) is None
    assert state.read().row(KVS, b"k") is None


def test_a_session_answers_its_id_and_its_end_nothing() -> None:
    state = empty_state()
    run(state, 1, MessageType.REGISTER, RegisterRequest(node="n", address="a"))
    create = SessionRequest(op="create", session=Session(id=UUID, node="n"))
    assert run(state, 2, MessageType.SESSION, create) == UUID
    destroy = SessionRequest(op="destroy", session=Session(id=UUID))
    assert run(state, 3, MessageType.SESSION, destroy) is None


def test_a_service_is_deregistered_before_a_check_and_a_check_before_the_node() -> None:
    state = empty_state()
    service = NodeService(id="s", service="s")
    check = HealthCheck(node="n", check_id="c", name="c")
    run(
        state,
        1,
        MessageType.REGISTER,
        RegisterRequest(node="n", address="a", service=service, check=check),
    )
    both = DeregisterRequest(node="n", service_id="s", check_id="c")
    assert run(state, 2, MessageType.DEREGISTER, both) is None
    assert index_table(state).keys() >= {"service_last_extinction"}
    run(state, 3, MessageType.DEREGISTER, DeregisterRequest(node="n", check_id="c"))
    assert index_table(state)["checks"] == 3
    run(state, 4, MessageType.DEREGISTER, DeregisterRequest(node="n"))
    assert state.read().row(NODES, folded("n")) is None


def test_a_transaction_with_an_error_changes_nothing_and_says_which() -> None:
    state = empty_state()
    ops = [
        TxnOp(kv=TxnKVOp(verb="set", dir_ent=DirEntry(key="a"))),
        TxnOp(kv=TxnKVOp(verb="get", dir_ent=DirEntry(key="b"))),
    ]
    result = run(state, 1, MessageType.TXN, TxnRequest(ops=ops))
    assert isinstance(result, TxnResponse)
    assert result.errors is not None
    assert [(one.op_index, one.what) for one in result.errors] == [(1, 'key "b" doesn\'t exist')]
    assert index_table(state) == {}


def test_autopilot_checks_and_sets_only_what_is_there() -> None:
    state = empty_state()
    cas = AutopilotSetConfigRequest(cas=True, config=AutopilotConfig(modify_index=0))
    assert run(state, 1, MessageType.AUTOPILOT, cas) is False
    plain = AutopilotSetConfigRequest(config=AutopilotConfig(max_trailing_logs=9))
    assert run(state, 2, MessageType.AUTOPILOT, plain) is None
    right = AutopilotSetConfigRequest(cas=True, config=AutopilotConfig(modify_index=2))
    assert run(state, 3, MessageType.AUTOPILOT, right) is True
    assert run(state, 4, MessageType.AUTOPILOT, right) is False
    assert index_table(state) == {}, "its index is only its own"


def test_roots_and_configuration_are_one_index_apart() -> None:
    state = empty_state()
    request = CARequest(
        op="set-roots-config",
        roots=[CARoot(id="a", active=True)],
        config=CAConfiguration(provider="consul", cluster_id="c"),
    )
    assert run(state, 10, MessageType.CONNECT_CA, request) is True
    config = connect_ca.ca_config(state.read())
    assert config is not None
    assert config.modify_index == 11
    assert index_table(state) == {"connect-ca-roots": 10}
    assert run(state, 12, MessageType.CONNECT_CA, request) is False, "the roots have moved"


def test_a_provider_forgets_its_keys_and_the_index_stays() -> None:
    state = empty_state()
    keys = CAConsulProviderState(id="p", private_key="k")
    for op, index in (("set-provider-state", 5), ("delete-provider-state", 6)):
        request = CARequest(op=op, provider_state=keys)
        assert run(state, index, MessageType.CONNECT_CA, request) is True
    assert index_table(state) == {"connect-ca-builtin": 5}
    serial = CARequest(op="increment-provider-serial")
    assert run(state, 7, MessageType.CONNECT_CA, serial) == 6
    assert run(state, 8, MessageType.CONNECT_CA, serial) == 7


def test_a_leaf_command_answers_its_index_and_moves_nothing() -> None:
    state = empty_state()
    leaf = CALeafRequest(op="increment-index")
    assert run(state, 9, MessageType.CONNECT_CA_LEAF, leaf) == 9
    assert index_table(state) == {}


def test_acls_are_bootstrapped_once_and_again_only_by_the_index() -> None:
    state = empty_state()

    def bootstrap(index: int, reset_index: int) -> object:
        token = ACLToken(accessor_id=UUID, secret_id=f"s{index}")
        request = ACLTokenBootstrapRequest(token=token, reset_index=reset_index)
        return run(state, index, MessageType.ACL_BOOTSTRAP, request)

    assert bootstrap(3, 0) is None
    assert bootstrap(4, 0) == FsmError("ACL bootstrap no longer allowed")
    assert bootstrap(5, 4) == FsmError("Invalid ACL bootstrap reset index")
    assert bootstrap(6, 3) is None
    assert index_table(state)["acl-token-bootstrap"] == 6


def test_the_old_acl_commands_still_work() -> None:
    state = empty_state()
    old = ACL(id="secret", name="n", type="client", rules="")
    init = ACLRequest(op="bootstrap-init")
    assert run(state, 1, MessageType.ACL, init) is True
    now = run(state, 2, MessageType.ACL, ACLRequest(op="bootstrap-now", acl=old))
    assert now == ACL(id="secret", name="n", type="client", create_index=2, modify_index=2)
    assert run(state, 3, MessageType.ACL, init) is False
    assert run(state, 4, MessageType.ACL, ACLRequest(op="set", acl=old)) == "secret"
    assert run(state, 5, MessageType.ACL, ACLRequest(op="delete", acl=old)) is None
    assert index_table(state)["acl-tokens"] == 5


def test_unknown_commands_stop_the_server_unless_they_may_be_skipped() -> None:
    state = empty_state()
    with state.write(1) as txn:
        assert apply(txn, bytes((77 | IGNORE_UNKNOWN, 0x80))) == Skipped(77)
    with pytest.raises(UnknownCommandError), state.write(2) as txn:
        apply(txn, bytes((77, 0x80)))
