"""`helm test`: through the client Service a leader is known, all peers are there, a key is kept."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

API = os.environ["API_URL"]
PEERS = int(os.environ["PEERS"])
ATTEMPTS = int(os.environ.get("ATTEMPTS", "20"))
PAUSE_S = float(os.environ.get("PAUSE_S", "3"))
CA_FILE = os.environ.get("CA_FILE")
# Not the default context: it refuses a CA that does not say what its key is for.
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if CA_FILE else None
if CONTEXT:
    CONTEXT.load_verify_locations(CA_FILE)
KEY = f"/v1/kv/proconsul-helm-test/{os.getpid()}-{time.time_ns()}"


def call(method, path, body=None):
    request = urllib.request.Request(API + path, data=body, method=method)
    with urllib.request.urlopen(request, context=CONTEXT, timeout=10) as answer:
        return answer.read()


def check():
    leader = json.loads(call("GET", "/v1/status/leader"))
    assert leader, "no leader is known"
    peers = json.loads(call("GET", "/v1/status/peers"))
    assert len(peers) == PEERS, f"{len(peers)} of {PEERS} peers: {peers}"
    assert call("PUT", KEY, b"written by helm test").strip() == b"true", "the write was refused"
    kept = call("GET", f"{KEY}?raw&consistent")
    assert kept == b"written by helm test", f"another value came back: {kept!r}"
    assert call("DELETE", KEY).strip() == b"true", "the key could not be deleted"
    try:
        call("GET", f"{KEY}?consistent")
    except urllib.error.HTTPError as error:
        assert error.code == 404, f"a deleted key answers {error}"
    else:
        raise AssertionError("a deleted key is still there")
    return leader


for attempt in range(1, ATTEMPTS + 1):
    try:
        leader = check()
    except (OSError, ValueError, AssertionError) as reason:
        print(f"attempt {attempt} of {ATTEMPTS}: {reason}", flush=True)
        time.sleep(PAUSE_S)
    else:
        print(f"{API}: {leader} leads {PEERS} servers; a key was written, read and deleted")
        sys.exit(0)
sys.exit(f"{API}: not well after {ATTEMPTS} attempts")
