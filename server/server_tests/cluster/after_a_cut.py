"""What a follower does with writes while it is cut off from a leader that stays.

    python -m server_tests.cluster.after_a_cut

Clients write through it when the link goes, so that what it passed on is never acknowledged. They
are to be told that nobody knows what came of it, while it is still cut off; the connection with
its growing pauses is then gone, and what is written after the cut goes through a new one. Prints
both answers.
"""

import argparse
import http.client
import sys
import tempfile
import threading
from pathlib import Path

from server_tests.cluster.network import enter_isolation
from server_tests.cluster.servers import OURS, Cluster, Server

PATIENCE_S = 45.0  # less than a call may take


class Writer:
    """Writes through one server, again and again, until something goes wrong."""

    def __init__(self, server: Server) -> None:
        self.failure = ""
        self._server = server
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Until it ended."""
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self.failure:
            try:
                status, body = self._server.request("PUT", "/v1/kv/cut", b"1", PATIENCE_S)
            except (OSError, http.client.HTTPException) as failure:
                self.failure = repr(failure)
                continue
            if status != 200:
                self.failure = body.decode()


def cut_off(cluster: Cluster) -> tuple[str, str]:
    """(what became of a write that was on its way, the answer to one after the cut)."""
    leader = cluster.leader()
    follower = next(server for server in cluster.servers if server is not leader)
    writer = Writer(follower)
    writer.start()
    follower.cut()
    writer.wait()
    follower.heal()
    cluster.wait_until_healthy()
    assert cluster.leader() is leader, "the leader was to stay"
    _, body = follower.request("PUT", "/v1/kv/cut", b"2")
    return writer.failure, body.decode()


def main() -> None:
    """Run it."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    enter_isolation("server_tests.cluster.after_a_cut")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(3, Path(folder), OURS)
        try:
            cluster.start()
            before, after = cut_off(cluster)
        finally:
            cluster.close()
    sys.stdout.write(f"on its way: {before}\nafterwards: {after}\n")


if __name__ == "__main__":
    main()
