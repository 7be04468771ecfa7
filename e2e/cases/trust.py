"""Whether anybody is shown a certificate that it does not trust, looked at again and again."""

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from e2e.authority import certificates_in, fingerprint, issuer_of
from e2e.cases.story import Story


@dataclass(slots=True)
class Trust:
    """What servers show and whom they trust, looked at again and again."""

    story: Story
    secret: str
    issuers: dict[str, str] = field(default_factory=dict)  # of every certificate that was seen
    complaints: list[str] = field(default_factory=list)

    def look(self) -> dict[str, dict[str, Any]]:
        """Each server's own word, of those that answer; strangers are noted."""
        self.wanted()
        told: dict[str, dict[str, Any]] = {}
        for name in self.story.servers.names:
            with suppress(OSError, ValueError):
                told[name] = self.story.servers.ask(name, "/v1/proconsul/tls")
        for one, ours in told.items():
            issuer = self.issuers.get(ours["Certificate"], "")
            for other, theirs in told.items():
                if issuer not in theirs["Authorities"]:
                    self.complaints.append(f"{other} does not trust {one}: {ours}, {theirs}")
        return told

    def wanted(self) -> tuple[str, list[str]]:
        """The certificate and the CAs of the Secret."""
        data = self.story.kubectl.get("secrets", self.secret)["data"]
        leaf, *_ = certificates_in(base64.b64decode(data["tls.crt"]).decode())
        trusted = certificates_in(base64.b64decode(data["ca.crt"]).decode())
        self.issuers.setdefault(fingerprint(leaf), issuer_of(leaf, trusted))
        return fingerprint(leaf), [fingerprint(each) for each in trusted]

    def not_taken(self) -> str:
        """Who has not what the Secret holds; "" for nobody."""
        shown, trusted = self.wanted()
        told = self.look()
        late = [
            name
            for name in self.story.servers.names
            if told.get(name) != {"Certificate": shown, "Authorities": trusted}
        ]
        return f"{late} have not taken {shown[:8]}: {told}" if late else ""
