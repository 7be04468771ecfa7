"""What stands in the data directory."""

import json

import pytest

from proconsul.local.persistence import (
    PersistedError,
    SavedCheck,
    SavedService,
    SavedState,
    check_path,
    read_check,
    read_service,
    read_state,
    save_check,
    save_service,
    save_state,
    service_path,
)
from proconsul.local.state import Source
from proconsul.model.catalog import ConnectProxyConfig, NodeService, Upstream, Weights
from proconsul.model.health import CheckType, HealthCheck
from proconsul.wire.golang import SECOND, Duration


def test_a_service_comes_back_as_it_was() -> None:
    saved = SavedService(
        service=NodeService(
            id="web é",
            service="web",
            tags=[],
            weights=Weights(passing=1, warning=1),
            proxy=ConnectProxyConfig(upstreams=[Upstream(destination_name="db")]),
            locally_registered_as_sidecar=True,
        ),
        token="secret",
        source=Source.REMOTE,
    )
    written = save_service(saved)
    assert written.durable
    assert read_service(written.data) == saved


def test_a_check_comes_back_as_it_was() -> None:
    saved = SavedCheck(
        check=HealthCheck(node="n1", check_id="c", name="c", status="critical"),
        type=CheckType(
            http="http://x", header={"A": ["b"]}, interval=Duration(10 * SECOND), method="PUT"
        ),
        token="t",
        source=Source.LOCAL,
    )
    assert read_check(save_check(saved).data) == saved
    nobody_runs = SavedCheck(check=saved.check, type=None, token="", source=Source.LOCAL)
    assert read_check(save_check(nobody_runs).data) == nobody_runs


def test_a_ttl_state_comes_back_as_it_was() -> None:
    saved = SavedState(check_id="c", status="passing", output="ok", expires_unix_s=1700000000)
    assert read_state(save_state(saved).data) == saved


def test_files_are_named_as_consul_names_them() -> None:
    assert service_path("web") == "services/2567a5ec9705eb7ac2c984033e06189d"
    assert check_path("web") == "checks/2567a5ec9705eb7ac2c984033e06189d"


def test_what_consul_writes_can_be_read() -> None:
    text = {
        "Token": "",
        "Service": {"ID": "web", "Service": "web", "Tags": None, "Port": 80, "Unknown": 1},
        "Source": "remote",
    }
    assert read_service(json.dumps(text).encode()).service == NodeService(
        id="web", service="web", port=80
    )
    check = {
        "Check": {"CheckID": "c", "Definition": {"Interval": "10s"}},
        "ChkType": {"CheckID": "c", "TTL": 10 * SECOND},
        "Token": "",
        "Source": "local",
    }
    assert read_check(json.dumps(check).encode()).type == CheckType(
        check_id="c", ttl=Duration(10 * SECOND)
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b'{"Service": 5}', b'{"Service": {"ID": 5}, "Source": "remote"}'],
)
def test_a_damaged_file_is_named_and_not_fatal(data: bytes) -> None:
    with pytest.raises(PersistedError):
        read_service(data)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(PersistedError, match="invalid source"):
        read_service(b'{"Service": {"ID": "x"}, "Source": "elsewhere"}')
