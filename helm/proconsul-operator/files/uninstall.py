"""Before the operator goes: are there objects that nobody would take care of any more?

Their finalizers would wait for it for ever. So this fails while there are any; or, if it is told to,
takes the operator's finalizer off each of them: what they stand for runs on, with its data.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request

ACCOUNT = os.environ.get("ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount")
GROUP = "/apis/proconsul.io/v1alpha1"
KINDS = ("proconsulclusters", "proconsulsnapshotschedules", "proconsulsnapshots", "proconsulrestores")
FINALIZER = "proconsul.io/operator"
NAMED_MAX = 20


def call(method, path, body=None):
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    with open(f"{ACCOUNT}/token", encoding="utf-8") as file:
        token = file.read().strip()
    request = urllib.request.Request(
        f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/merge-patch+json",
        },
        method=method,
    )
    # Not the default context: it refuses a CA that does not say what its key is for.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(f"{ACCOUNT}/ca.crt")
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return json.load(answer)


def left():
    spaces = [each for each in os.environ.get("NAMESPACES", "").split(",") if each]
    roots = [f"{GROUP}/namespaces/{each}" for each in spaces] or [GROUP]
    for root in roots:
        for kind in KINDS:
            try:
                items = call("GET", f"{root}/{kind}")["items"]
            except urllib.error.HTTPError as error:
                if error.code == 404:  # the kind itself is gone
                    continue
                raise
            for item in items:
                yield kind, item["metadata"]


def let_go(kind, metadata):
    kept = [each for each in metadata.get("finalizers", ()) if each != FINALIZER]
    path = f"{GROUP}/namespaces/{metadata['namespace']}/{kind}/{metadata['name']}"
    version = metadata["resourceVersion"]
    body = {"metadata": {"finalizers": kept or None, "resourceVersion": version}}
    try:
        call("PATCH", path, body)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


def main():
    found = list(left())
    names = [f"{kind}/{one['name']} in {one['namespace']}" for kind, one in found]
    if os.environ["FORCE"] == "true":
        for kind, metadata in found:
            if FINALIZER in metadata.get("finalizers", ()):
                let_go(kind, metadata)
        print(f"forced: {len(found)} objects stay, and nobody takes care of them")
        return
    if not found:
        print("nothing is left that needs the operator")
        return
    more = len(names) - NAMED_MAX
    named = ", ".join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
    sys.exit(
        f"the operator still takes care of {len(names)} objects: {named}. Delete them first, while "
        "it can tidy up behind them. To leave them as they are (servers and volumes stay): helm "
        "upgrade with --reuse-values --set uninstall.force=true, then uninstall again."
    )


main()
