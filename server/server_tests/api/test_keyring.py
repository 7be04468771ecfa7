"""`/v1/operator/keyring`: what is asked of all members, and how their answers are told."""

import json
from typing import cast

import pytest

from proconsul.model.keyring import KeyringResponse
from server_tests.endpoints.site import LanOfOne, Site, open_site

KEY = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
BODY = json.dumps({"Key": KEY}).encode()


def lan_of(site: Site) -> LanOfOne:
    return cast("LanOfOne", site.context.lan)


async def test_a_list_shows_on_how_many_members_each_key_is() -> None:
    site = open_site()
    lan_of(site).response = KeyringResponse(
        datacenter="dc1", keys={KEY: 2}, primary_keys={KEY: 1}, num_nodes=2
    )
    reply = await site.ask("GET", "/v1/operator/keyring?relay-factor=3&local-only=true")
    assert reply.json() == [
        {
            "WAN": False,
            "Datacenter": "dc1",
            "Segment": "",
            "Keys": {KEY: 2},
            "PrimaryKeys": {KEY: 1},
            "NumNodes": 2,
        }
    ]
    assert lan_of(site).asked == [("list", "", 3)]


@pytest.mark.parametrize(
    ("verb", "operation"), [("POST", "install"), ("PUT", "use"), ("DELETE", "remove")]
)
async def test_the_verb_says_what_is_to_be_done_with_the_key(verb: str, operation: str) -> None:
    site = open_site()
    reply = await site.ask(verb, "/v1/operator/keyring", BODY)
    assert (reply.status, reply.body) == (200, b"")
    assert lan_of(site).asked == [(operation, KEY, 0)]


async def test_what_members_refuse_is_an_error_with_their_words() -> None:
    site = open_site()
    lan_of(site).response = KeyringResponse(
        datacenter="dc1",
        error="1/2 nodes reported failure",
        messages={"s1": "Requested key is not in the keyring"},
    )
    reply = await site.ask("PUT", "/v1/operator/keyring", BODY)
    assert (reply.status, reply.text) == (
        500,
        "2 errors occurred:\n\t* dc1 (LAN) error: 1/2 nodes reported failure\n"
        "\t* s1: Requested key is not in the keyring\n\n",
    )


@pytest.mark.parametrize(
    ("verb", "query", "body", "text"),
    [
        (
            "GET",
            "relay-factor=9",
            b"",
            "Invalid relay-factor: Relay factor must be in range: [0, 5]",
        ),
        (
            "GET",
            "relay-factor=x",
            b"",
            'Error parsing relay factor: strconv.Atoi: parsing "x": invalid syntax',
        ),
        (
            "GET",
            "local-only=x",
            b"",
            'Error parsing local-only: strconv.ParseBool: parsing "x": invalid syntax',
        ),
        (
            "POST",
            "local-only=true",
            BODY,
            "Invalid use of local-only: local-only can only be set for list requests",
        ),
        (
            "POST",
            "",
            b"x",
            "Request decode failed: invalid character 'x' looking for beginning of value",
        ),
    ],
)
async def test_bad_requests_are_refused_in_consuls_words(
    verb: str, query: str, body: bytes, text: str
) -> None:
    reply = await open_site().ask(verb, f"/v1/operator/keyring?{query}", body)
    assert (reply.status, reply.text) == (400, f"Bad request: {text}")
