"""Small bodies of `/v1/agent/` that are no type of the catalog."""

from proconsul.wire.gostruct import GoStruct


class AgentToken(GoStruct, frozen=True, kw_only=True):
    """The body of `/v1/agent/token/:kind`."""

    token: str = ""


class CheckUpdate(GoStruct, frozen=True, kw_only=True):
    """The body of `/v1/agent/check/update/:id`."""

    status: str = ""
    output: str = ""


class KeyringKey(GoStruct, frozen=True, kw_only=True):
    """The body of writes to `/v1/operator/keyring`: a key in base64."""

    key: str = ""
