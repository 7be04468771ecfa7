"""Speed does not count where answers differ."""

import pytest

from bench.answers import require_same
from bench.failure import WrongAnswerError
from bench.rows import BY_NAME
from server_tests.differential.run import Exchange, Options, Run
from server_tests.differential.target import Answer, Target

ROW = BY_NAME["get"]


def told(address: str, value: str, index: int) -> Run:
    body = b'[{"Key":"a","Value":"%s","ModifyIndex":%d}]' % (value.encode(), index)
    headers = {"content-type": "application/json", "x-consul-index": str(index)}
    exchange = Exchange("GET /v1/kv/a", Answer(200, headers, body), Options())
    return Run(Target(address), base_index=100, records=[exchange])


def test_indexes_may_differ() -> None:
    require_same(ROW, told("127.0.0.1", "YQ==", 12), told("127.0.0.2", "YQ==", 15))


def test_values_may_not() -> None:
    with pytest.raises(WrongAnswerError, match=r"get is not counted(?s:.*)Value.*YQ==.*Yg=="):
        require_same(ROW, told("127.0.0.1", "YQ==", 12), told("127.0.0.2", "Yg==", 12))
