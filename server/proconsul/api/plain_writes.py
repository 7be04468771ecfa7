"""Which requests write one key and say nothing else.

The answer to each of them is `true`, or a failure: nothing of it follows from what is written. What
is not surely one of them is answered the ordinary way.
"""

from proconsul.api.http import Headers
from proconsul.api.kv import PREFIX
from proconsul.api.options import OPTION_FIELDS

METHOD = "PUT"
# They say who asks, or ask for what a write has to refuse.
_FIELDS = OPTION_FIELDS | {"x-consul-namespace"}


def key_of(target: str) -> str:
    """The key that a PUT of this target writes; "" where it says more, or is not clean.

    Of a target whose characters need no thought (runtime/known_heads.py).
    """
    if (
        not target.startswith(PREFIX)
        or "?" in target
        or "%" in target
        or "//" in target
        or "/." in target
    ):
        return ""
    return target[len(PREFIX) :]


def is_plain(headers: Headers) -> bool:
    """Whether these fields say nothing about the write."""
    return headers.has_none(_FIELDS)
