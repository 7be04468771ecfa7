"""Names that are made of other names, within Kubernetes' limits.

A record may have a name of 253 characters; a Job that is made of it has 63, as its name is a label
of its pods. A name that is too long is cut, and a hash of all of it takes the place of the rest:
two long names that begin alike stay two, and the same one is always the same.
"""

import hashlib
from typing import Final

HEAD_MAX: Final = 40  # 63, less `-before-` and eight characters of a UID, with room to spare
_HASH: Final = 8


def head(name: str) -> str:
    """`name`, or as much of it as other names can begin with: at most `HEAD_MAX` characters."""
    if len(name) <= HEAD_MAX:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    # What comes before a dash must not end in a dot or a dash.
    return f"{name[: HEAD_MAX - _HASH - 1].rstrip('-.')}-{mark}"
