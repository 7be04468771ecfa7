"""Names are a promise; so is the image that a spec means."""

from operator_tests.specs.clusters import wanted

DIGEST = "sha256:" + "0" * 64


def test_an_image_without_a_tag_is_of_the_operators_version() -> None:
    assert wanted().image == "ghcr.io/proconsul/proconsul:0.1.0"
    assert wanted(image={"repository": "a/b", "tag": "2"}).image == "a/b:2"


def test_a_digest_goes_before_the_tag() -> None:
    assert (
        wanted(image={"repository": "a/b", "tag": "2", "digest": DIGEST}).image == f"a/b@{DIGEST}"
    )


def test_secrets_that_nobody_needs_have_no_name() -> None:
    assert wanted().gossip_secret == ""
    assert wanted().tls_secret == ""
    assert wanted(tls={"enabled": False, "secretName": "a"}).tls_secret == ""


def test_a_secret_is_the_one_that_is_named_or_the_operators_own() -> None:
    assert wanted(gossip={}, tls={}).gossip_secret == "consul-gossip"
    assert wanted(gossip={}, tls={}).tls_secret == "consul-tls"
    assert wanted(gossip={"secretName": "keys"}).gossip_secret == "keys"
    assert wanted(tls={"secretName": "certificates"}).tls_secret == "certificates"


def test_plain_http_goes_only_where_https_is_served() -> None:
    assert wanted().has_plain_http
    assert wanted(tls={}).has_plain_http
    assert not wanted(tls={"httpsOnly": True}).has_plain_http
    assert wanted(tls={"enabled": False, "httpsOnly": True}).has_plain_http


def test_the_longest_name_leaves_room_for_every_child() -> None:
    longest = "c" * 40
    for name in (f"{longest}-headless", f"{longest}-bootstrap", f"data-{longest}-6"):
        assert len(name) <= 63
