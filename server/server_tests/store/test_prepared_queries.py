"""Prepared queries: names, sessions, templates."""

import pytest

from proconsul.errors import RpcError
from proconsul.model.catalog import Node
from proconsul.model.prepared_query import PreparedQuery, QueryTemplateOptions, ServiceQuery
from proconsul.model.session import Session
from proconsul.store import prepared_queries, query_template, sessions
from proconsul.store.nodes import ensure_node
from proconsul.store.state import State
from server_tests.store.memory_engine import MemoryEngine


def uuid(number: int) -> str:
    return f"40e4a748-2192-161a-0510-{number:012d}"


TEMPLATE = QueryTemplateOptions(type="name_prefix_match", regexp="^geo-(.*?)-([^-]+?)$")


def put(state: State, index: int, query: PreparedQuery) -> None:
    with state.write(index) as txn:
        prepared_queries.set_prepared_query(txn, query)


def ids(state: State) -> list[str]:
    return [query.id for query in prepared_queries.prepared_queries(state.read(), None)[1]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (PreparedQuery(), "Missing Query ID"),
        (
            PreparedQuery(id="x"),
            "failed prepared query lookup: index error: UUID must be 36 characters",
        ),
        (PreparedQuery(id=uuid(9), name="ONE"), "name 'ONE' aliases an existing query name"),
        (
            PreparedQuery(id=uuid(9), name=uuid(1)),
            f"name '{uuid(1)}' aliases an existing query ID",
        ),
        (
            PreparedQuery(id=uuid(9), template=TEMPLATE),
            "a query template with an empty name already exists",
        ),
        (PreparedQuery(id=uuid(9), session=uuid(5)), f'invalid session "{uuid(5)}"'),
        (
            PreparedQuery(id=uuid(9), name="t", template=QueryTemplateOptions(type="x")),
            "failed compiling template: Bad Template.Type 'x'",
        ),
    ],
)
def test_a_query_that_does_not_fit_is_refused(query: PreparedQuery, words: str) -> None:
    state = State(MemoryEngine())
    put(state, 1, PreparedQuery(id=uuid(1), name="one"))
    put(state, 2, PreparedQuery(id=uuid(2), template=TEMPLATE))
    with pytest.raises(RpcError) as caught:
        put(state, 3, query)
    assert str(caught.value) == words


def test_a_name_is_free_again_when_its_query_has_another_or_is_gone() -> None:
    state = State(MemoryEngine())
    put(state, 1, PreparedQuery(id=uuid(1), name="one"))
    put(state, 2, PreparedQuery(id=uuid(1), name="two"))
    put(state, 3, PreparedQuery(id=uuid(3), name="one"))
    with state.write(4) as txn:
        prepared_queries.delete_prepared_query(txn, uuid(3))
        prepared_queries.delete_prepared_query(txn, uuid(99))
    put(state, 5, PreparedQuery(id=uuid(5), name="one"))
    assert ids(state) == [uuid(1), uuid(5)]
    assert state.read().table_index("prepared-queries") == 5


def test_a_query_goes_with_its_session() -> None:
    state = State(MemoryEngine())
    with state.write(1) as txn:
        ensure_node(txn, Node(node="n", address="a"))
        sessions.create(txn, Session(id=uuid(7), node="n"))
    put(state, 2, PreparedQuery(id=uuid(1), name="bound", session=uuid(7)))
    put(state, 3, PreparedQuery(id=uuid(2), name="free"))
    with state.write(4) as txn:
        sessions.destroy(txn, uuid(7))
    assert ids(state) == [uuid(2)]
    assert state.read().table_index("prepared-queries") == 4


def test_a_template_is_rendered_with_what_was_asked_for() -> None:
    query = PreparedQuery(
        name="geo-",
        template=QueryTemplateOptions(
            type="name_prefix_match", regexp=TEMPLATE.regexp, remove_empty_tags=True
        ),
        service=ServiceQuery(
            service="${match(1)}",
            tags=["${match(2)}", "${match(3)}", "${name.suffix}"],
            node_meta={"segment": "in ${agent.segment}", "asked": "${name.full}"},
        ),
    )
    rendered = query_template.render(query, "geo-web-master", "alpha")
    assert rendered.service.service == "web"
    assert rendered.service.tags == ["master", "web-master"]
    assert rendered.service.node_meta == {"segment": "in alpha", "asked": "geo-web-master"}
