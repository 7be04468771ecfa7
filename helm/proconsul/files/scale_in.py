"""Takes servers out of raft before their pods go, the highest ordinal first, one at a time.

Each is decommissioned only while the others, without it, have a healthy majority; what is out
already is passed over, so a second run goes on where the first one ended. Fails, and with it the
upgrade, before anything is lost.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

NAME = os.environ["NAME"]
SERVICE = os.environ["SERVICE_URL"]
MEMBER = os.environ["MEMBER_URL"]
RUNNING, WANTED = int(os.environ["RUNNING"]), int(os.environ["WANTED"])
ATTEMPTS = int(os.environ.get("ATTEMPTS", "60"))
PAUSE_S = float(os.environ.get("PAUSE_S", "2"))
CA_FILE = os.environ.get("CA_FILE")
# Not the default context: it refuses a CA that does not say what its key is for.
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if CA_FILE else None
if CONTEXT:
    CONTEXT.load_verify_locations(CA_FILE)


def call(method, url):
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, context=CONTEXT, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        body = error.read()
        if error.code == 429:  # autopilot's way to say that somebody is not well
            return json.loads(body)
        raise OSError(f"{url}: {error.code} {body.decode(errors='replace')}") from error


def voters():
    answer = call("GET", f"{SERVICE}/v1/operator/raft/configuration")
    return {each["Node"]: each["ID"] for each in answer["Servers"] if each["Voter"]}


def members():
    answer = call("GET", f"{SERVICE}/v1/operator/raft/configuration")
    return {each["Node"] for each in answer["Servers"]}


def objection(node):
    """Why the others cannot spare it; empty if they can."""
    others = {name: id for name, id in voters().items() if name != node}
    if not others:
        return f"{node} is the only voter"
    health = call("GET", f"{SERVICE}/v1/operator/autopilot/health")
    healthy = {each["ID"] for each in health["Servers"] if each["Healthy"]}
    well = [name for name, id in others.items() if id in healthy]
    if len(well) < len(others) // 2 + 1:
        return f"of the {len(others)} voters that stay only {len(well)} are healthy"
    return ""


def until(question, what):
    """Ask until the answer is yes; fails with the last reason."""
    reason = what
    for _ in range(ATTEMPTS):
        try:
            reason = question()
        except (OSError, ValueError, KeyError) as error:
            reason = f"{error}"
        if not reason:
            return
        print(f"waiting: {what}: {reason}", flush=True)
        time.sleep(PAUSE_S)
    sys.exit(f"{what}: {reason}. Nothing else was changed; mend it and upgrade again")


def spare(node):
    return "" if node not in members() else objection(node)


def still_there(node):
    now = members()
    return f"the members are {sorted(now)}" if node in now else ""


def take_out(node):
    until(lambda: spare(node), f"{node} cannot be spared")
    if node not in members():
        print(f"{node} is no member: passed over", flush=True)
        return
    try:
        call("PUT", f"{MEMBER.format(node=node)}/v1/proconsul/decommission")
    except (OSError, ValueError) as error:
        # It may have ended before it could answer: what counts is whether it is out.
        print(f"{node}: {error}", flush=True)
    until(lambda: still_there(node), f"{node} was asked to leave")
    print(f"{node} is out of raft", flush=True)


for ordinal in range(RUNNING - 1, WANTED - 1, -1):
    take_out(f"{NAME}-{ordinal}")
print(f"{WANTED} servers stay")
