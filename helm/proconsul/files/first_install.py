"""Makes what must outlive a release, unless it is there: the gossip key, and the bootstrap guard.

An upgrade never changes either. The guard has no cluster ID: the first leader writes it.
"""

import base64
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request

ACCOUNT = os.environ.get("ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount")


def read(name):
    with open(f"{ACCOUNT}/{name}", encoding="utf-8") as file:
        return file.read().strip()


def make(kind, resource, name, content):
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    metadata = {"name": name, "labels": {"proconsul.io/kept": "true"}}
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}
    request = urllib.request.Request(
        f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}"
        f"/api/v1/namespaces/{read('namespace')}/{resource}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {read('token')}", "Content-Type": "application/json"},
        method="POST",
    )
    # Not the default context: it refuses a CA that does not say what its key is for.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(f"{ACCOUNT}/ca.crt")
    try:
        urllib.request.urlopen(request, context=context, timeout=30).close()
    except urllib.error.HTTPError as error:
        if error.code != 409:
            sys.exit(f"cannot make {kind} {name}: {error}: {error.read().decode()}")
        print(f"{kind} {name} is there already: kept")
    else:
        print(f"{kind} {name} is made")


if "GOSSIP_SECRET" in os.environ:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    entries = {os.environ["GOSSIP_ENTRY"]: key}
    make("Secret", "secrets", os.environ["GOSSIP_SECRET"], {"type": "Opaque", "stringData": entries})
if "GUARD" in os.environ:
    data = {"bootstrapped": "false", "expect": os.environ["EXPECT"]}
    make("ConfigMap", "configmaps", os.environ["GUARD"], {"data": data})
