"""The rules by which two recordings are held together."""

from typing import Any

from server_tests.differential.catalogue import all_cases
from server_tests.differential.compare import differences
from server_tests.differential.normalise import normalised
from server_tests.differential.run import Options, Run
from server_tests.differential.target import Answer, Target

JSON = {"content-type": "application/json"}


def recorded(base: int, *answers: tuple[str, str, dict[str, str]], address: str = "::1") -> Run:
    run = Run(Target(address), base_index=base)
    for request, body, headers in answers:
        run.record(request, Answer(200, {**JSON, **headers}, body.encode()))
    return run


def entry(index: int, **more: Any) -> tuple[str, str, dict[str, str]]:
    return "GET x", f'{{"ModifyIndex":{index}}}', {"x-consul-index": str(index)}


def test_indexes_are_compared_by_their_order_within_the_case() -> None:
    one = normalised(recorded(10, entry(4), entry(10), entry(12), entry(30)))
    assert [record["body"]["ModifyIndex"] for record in one] == ["<old>", "<base>", "<1>", "<2>"]
    assert one == normalised(recorded(100, entry(7), entry(100), entry(101), entry(102)))
    assert one != normalised(recorded(100, entry(7), entry(100), entry(102), entry(101)))


def test_random_ids_are_compared_by_their_first_appearance() -> None:
    def run(first: str, second: str, third: str) -> Any:
        ids = [f"{letter * 8}-1111-2222-3333-444444444444" for letter in (first, second, third)]
        return normalised(recorded(1, *((f"GET {one}", f'["{one}"]', {}) for one in ids)))

    assert run("a", "b", "a") == run("c", "d", "c")
    assert run("a", "b", "a") != run("c", "d", "d")


def test_a_random_id_with_a_row_of_zeros_is_none_that_a_case_wrote() -> None:
    def run(uuid: str) -> Any:
        return normalised(recorded(1, ("GET x", f'["{uuid}"]', {})))

    assert run("2590c3cb-cd92-0000-d750-7d687f6f09e2") == run(
        "2590c3cb-0000-d750-cd92-7d687f6f09e2"
    )
    assert run("aaaaaaaa-0000-4000-8000-0000000000c1") != run(
        "aaaaaaaa-0000-4000-8000-0000000000c2"
    )


def test_each_server_may_have_its_own_address() -> None:
    one = recorded(1, ("GET x", '"127.0.0.1:8300"', {}), address="127.0.0.1")
    other = recorded(1, ("GET x", '"127.0.0.2:8300"', {}), address="127.0.0.2")
    assert normalised(one) == normalised(other)


def test_masked_fields_keep_their_kind() -> None:
    run = Run(Target("::1"), base_index=1)
    run.record("GET x", Answer(200, JSON, b'{"LTime":5}'), Options(masked=frozenset({"LTime"})))
    [record] = normalised(run)
    assert record["body"] == {"LTime": "<int>"}


def test_a_difference_is_told_with_its_place() -> None:
    real = [{"request": "GET x", "status": 200, "body": {"a": [1, 2], "b": None}}]
    ours = [{"request": "GET x", "status": 500, "body": {"a": [1, 3], "c": True}}]
    assert list(differences(real, real)) == []
    assert list(differences(real, ours)) == [
        "[0 GET x].body.a[1]: real 2, ours 3",
        "[0 GET x].body.b: ours lacks null",
        "[0 GET x].body.c: only ours has true",
        "[0 GET x].status: real 200, ours 500",
    ]


def test_numbers_of_another_kind_differ() -> None:
    assert list(differences({"a": 1}, {"a": True})) == [".a: real 1, ours true"]
    assert list(differences({"a": 1}, {"a": 1.0})) == [".a: real 1, ours 1.0"]


def test_there_are_cases_for_every_endpoint() -> None:
    groups = {case.group for case in all_cases()}
    assert {"kv", "txn", "session", "catalog", "health", "coordinate", "event", "status"} <= groups
