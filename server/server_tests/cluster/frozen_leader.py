"""What a leader that was frozen answers when it wakes, another having led meanwhile.

    python -m server_tests.cluster.frozen_leader

A client asks it while it stands still, so that the question is in its sockets when it wakes; the
others have elected a leader and taken a newer value by then. Prints what the client gets, for a
consistent read and for one in the default mode.
"""

import argparse
import http.client
import sys
import tempfile
from pathlib import Path

from server_tests.cluster.network import enter_isolation
from server_tests.cluster.servers import OURS, PORT, Cluster, Server

MODES = {"consistent": "?raw&consistent", "default": "?raw"}
KEY = "/v1/kv/frozen"
PATIENCE_S = 30.0


def ask_while_frozen(cluster: Cluster, query: str) -> str:
    """The answer of a leader that was frozen before a newer value was written elsewhere."""
    leader = cluster.leader()
    other = next(server for server in cluster.servers if server is not leader)
    assert leader.request("PUT", KEY, b"old") == (200, b"true")
    connection = http.client.HTTPConnection(leader.place.client_address, PORT, timeout=PATIENCE_S)
    connection.connect()
    leader.pause()
    cluster.until(lambda: _wrote(other), "a write without the frozen leader")
    connection.request("GET", KEY + query)
    leader.resume()
    answer = connection.getresponse().read().decode()
    connection.close()
    cluster.wait_until_healthy()
    return answer


def _wrote(server: Server) -> bool:
    try:
        return server.request("PUT", KEY, b"new") == (200, b"true")
    except (OSError, http.client.HTTPException):
        return False


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--launcher", default=OURS[-1], help="module that is the server")
    asked = parser.parse_args()
    enter_isolation("server_tests.cluster.frozen_leader")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(3, Path(folder), (*OURS[:-1], asked.launcher))
        try:
            cluster.start()
            for mode, query in MODES.items():
                sys.stdout.write(f"{mode}: {ask_while_frozen(cluster, query)}\n")
        finally:
            cluster.close()


if __name__ == "__main__":
    main()
