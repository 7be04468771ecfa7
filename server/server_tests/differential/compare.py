"""What differs between two normalised recordings, one line a difference."""

import json
from collections.abc import Iterator
from typing import Any

SHOWN_CHARS_MAX = 300


def differences(real: Any, ours: Any, path: str = "") -> Iterator[str]:
    """Lines that say where ours is not as the real one."""
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in sorted(real.keys() | ours.keys()):
            where = f"{path}.{key}"
            if key not in ours:
                yield f"{where}: ours lacks {_shown(real[key])}"
            elif key not in real:
                yield f"{where}: only ours has {_shown(ours[key])}"
            else:
                yield from differences(real[key], ours[key], where)
    elif isinstance(real, list) and isinstance(ours, list):
        if len(real) != len(ours):
            yield f"{path}: real has {len(real)} {_shown(real)}, ours {len(ours)} {_shown(ours)}"
        for at, (one, other) in enumerate(zip(real, ours, strict=False)):
            named = one.get("request", "") if isinstance(one, dict) and not path else ""
            yield from differences(one, other, f"{path}[{at}{' ' if named else ''}{named}]")
    elif real != ours or type(real) is not type(ours):
        yield f"{path}: real {_shown(real)}, ours {_shown(ours)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "..."
