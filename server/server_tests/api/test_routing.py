"""Paths find their handlers as in Go's ServeMux."""

from hypothesis import given
from hypothesis import strategies as st

from proconsul.api.routing import Route, Router, clean_path, metric_of

PATTERNS = [
    "/v1/kv/",
    "/v1/kv/v/",
    "/v1/query",
    "/v1/query/",
    "/v1/agent/health/service/id/",
    "/v1/agent/self",
]


def make_router() -> Router[str]:
    return Router([Route(pattern, (), pattern) for pattern in PATTERNS])


def pattern_of(path: str) -> str | None:
    route = make_router().find(path)
    return None if route is None else route.handler


def test_an_exact_pattern_wins_over_the_subtree_of_the_same_name() -> None:
    assert pattern_of("/v1/query") == "/v1/query"
    assert pattern_of("/v1/query/x") == "/v1/query/"


def test_a_subtree_takes_all_that_is_below_it() -> None:
    assert pattern_of("/v1/kv/") == "/v1/kv/"
    assert pattern_of("/v1/kv/a/b/c/d/e/f/g/h") == "/v1/kv/"
    assert pattern_of("/v1/agent/health/service/id/web") == "/v1/agent/health/service/id/"


def test_what_is_in_no_pattern_is_found_nowhere() -> None:
    assert pattern_of("/v1/agent/self/x") is None
    assert pattern_of("/") is None
    assert pattern_of("") is None


def test_the_root_of_a_subtree_is_redirected_to_it() -> None:
    router = make_router()
    assert router.redirect("/v1/kv") == "/v1/kv/"
    assert router.redirect("/v1/query") is None
    assert router.redirect("/v1/nowhere") is None


def test_the_root_of_a_subtree_within_another_is_redirected_too() -> None:
    assert pattern_of("/v1/kv/v") is None
    assert make_router().redirect("/v1/kv/v") == "/v1/kv/v/"
    assert pattern_of("/v1/kv/v/x") == "/v1/kv/v/"
    assert pattern_of("/v1/kv/vx") == "/v1/kv/"


def test_an_unclean_path_is_redirected_to_the_clean_one() -> None:
    router = make_router()
    assert router.redirect("/v1/kv//a") == "/v1/kv/a"
    assert router.redirect("/v1/kv/../agent/self") == "/v1/agent/self"
    assert router.redirect("/v1/./kv/a/") == "/v1/kv/a/"


def test_metrics_name_what_stands_behind_a_slash_with_an_underscore() -> None:
    assert metric_of("/v1/kv/") == "v1.kv._"
    assert metric_of("/v1/agent/self") == "v1.agent.self"


@given(st.text(alphabet="/.ab", max_size=20))
def test_cleaning_twice_is_cleaning_once(path: str) -> None:
    once = clean_path(path)
    assert clean_path(once) == once
    assert once.startswith("/")
    assert "//" not in once


@given(st.text(alphabet="/v1kvq", max_size=20))
def test_the_deepest_pattern_around_a_path_is_the_one_that_is_found(path: str) -> None:
    exact = [pattern for pattern in PATTERNS if pattern == path]
    if not exact and path + "/" in PATTERNS:
        assert pattern_of(path) is None
        return
    around = [one for one in PATTERNS if one.endswith("/") and path.startswith(one)]
    expected = exact[0] if exact else max(around, key=len, default=None)
    assert pattern_of(path) == expected
