"""Case 16: a configuration that is live, one that rolls, one that is bad; size, drift, pause."""

import json
from collections.abc import Callable

import pytest

from e2e.cases.story import RELEASE, Story
from e2e.kubectl import Manifest
from e2e.waits import limit, until

STORAGE_API = "/apis/storage.k8s.io/v1/storageclasses"


@pytest.mark.case(minutes=10)
def test_changes_move_what_they_must_and_nothing_else(story: Story) -> None:
    story.install_operated()
    with story.watched(), story.load():
        _live(story)
        _rolled(story)
        _bad(story)
        _bigger(story)
        _drifted(story)
        _paused(story)
    assert len(story.cluster.events("ConfigInvalid")) == 1


def _uids(story: Story) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in story.servers.pods().items()}


def _config(story: Story, **keys: object) -> None:
    story.note(f"config: {keys}")
    story.cluster.patch({"spec": {"config": keys}})


def _settled(story: Story) -> str:
    """What is missing until the operator has seen this spec, and all is as it asks."""
    body = story.cluster.body()
    if body["status"].get("observedGeneration") != body["metadata"]["generation"]:
        return "the operator has not looked"
    return story.cluster.is_not("Ready", "True") or story.servers.not_well()


def _settle(story: Story) -> float:
    return until(lambda: _settled(story), "all is as the spec asks", limit("settled"))


def _live(story: Story) -> None:
    """A level of the log: every server takes it, and none restarts."""
    before = _uids(story)
    _config(story, log_level="DEBUG")

    def others() -> str:
        levels = [
            story.servers.ask(name, "/v1/agent/self")["DebugConfig"]["Logging"]["LogLevel"]
            for name in story.servers.names
        ]
        return "" if set(levels) == {"DEBUG"} else f"{levels}"

    took_s = until(others, "all log at the new level", limit("reloaded"))
    story.figures["live after s"] = round(took_s, 1)
    _settle(story)
    assert _uids(story) == before


def _rolled(story: Story) -> None:
    """A setting of raft: every server restarts, one at a time (the watcher sees to that)."""
    before, ids = _uids(story), story.servers.ids()
    _config(story, raft_trailing_logs=5000)

    def old() -> str:
        left = sorted(name for name, uid in _uids(story).items() if uid == before.get(name))
        return f"{left} is old" if left else _settled(story)

    story.figures["rolled after s"] = round(until(old, "all are new", limit("rolled")), 1)
    assert story.servers.ids() == ids


def _bad(story: Story) -> None:
    """One that no server takes: told in the server's words, and nothing moves."""
    before, held = _uids(story), _config_map(story)
    _config(story, no_such_key=1)
    took_s = story.cluster.wait_for("Degraded", "True", "ConfigInvalid", limit_name="noticed")
    story.figures["bad configuration told after s"] = round(took_s, 1)
    assert "invalid config key no_such_key" in story.cluster.condition("Degraded")[2]
    assert _config_map(story) == held
    assert _uids(story) == before
    _config(story, no_such_key=None)
    _settle(story)
    assert (_uids(story), _config_map(story)) == (before, held)


def _config_map(story: Story) -> Manifest:
    found: Manifest = story.kubectl.get("configmaps", f"{RELEASE}-config")["data"]
    return found


def _bigger(story: Story) -> None:
    """Where the class does not let volumes grow, it is told and nothing is touched."""
    (claim, *_) = story.kubectl.list("persistentvolumeclaims")
    name = claim["spec"]["storageClassName"]
    if story.kubectl.proxy.json(f"{STORAGE_API}/{name}").get("allowVolumeExpansion"):
        story.figures["volumes"] = f"class {name} grows: not this case"
        return
    before, uid = _uids(story), _set(story)["metadata"]["uid"]
    story.note("bigger volumes are asked for")
    story.cluster.patch({"spec": {"storage": {"size": "2Gi"}}})
    story.cluster.wait_for("DataVolumesReady", "False", "ResizeUnsupported", limit_name="noticed")
    assert _uids(story) == before
    assert _set(story)["metadata"]["uid"] == uid


def _set(story: Story) -> Manifest:
    return story.kubectl.get("statefulsets", RELEASE, "apis/apps/v1")


def _drifted(story: Story) -> None:
    """What somebody edits is put right, and told by its fields."""
    before = _uids(story)
    edits: dict[str, tuple[str, Manifest, Callable[[], object], object]] = {
        "a Service": (
            f"service/{RELEASE}-stale",
            {"spec": {"publishNotReadyAddresses": False}},
            lambda: _service(story)["spec"].get("publishNotReadyAddresses"),
            True,
        ),
        "the StatefulSet": (
            f"statefulset/{RELEASE}",
            {"spec": {"updateStrategy": {"type": "RollingUpdate"}}},
            lambda: _set(story)["spec"]["updateStrategy"]["type"],
            "OnDelete",
        ),
    }
    for what, (name, change, look, right) in edits.items():
        story.note(f"somebody edits {what}")
        told = len(story.cluster.events("DriftCorrected"))
        story.kubectl("patch", name, "--type=merge", "-p", json.dumps(change))

        def wrong(
            look: Callable[[], object] = look, right: object = right, told: int = told
        ) -> str:
            if (found := look()) != right:
                return f"{found}"
            return "" if len(story.cluster.events("DriftCorrected")) > told else "no Event"

        took_s = until(wrong, f"{what} is put right", limit("drift_corrected"))
        story.figures[f"{what} put right after s"] = round(took_s, 1)
    assert _uids(story) == before


def _service(story: Story) -> Manifest:
    return story.kubectl.get("services", f"{RELEASE}-stale")


def _paused(story: Story) -> None:
    """A change waits for the end of the pause, and is told until then."""
    before, held = _uids(story), _config_map(story)
    story.note("paused")
    story.cluster.patch({"spec": {"paused": True, "config": {"log_level": "INFO"}}})
    story.cluster.wait_for("Paused", "True", "BySpec", limit_name="noticed")
    victim = next(name for name in story.servers.names if name != story.servers.leader())
    story.kubectl("delete", "pod", victim)  # what is no business of the operator's goes on
    until(story.servers.not_well, "the pod is back", limit("back_as_voter"))
    assert _config_map(story) == held
    assert {**_uids(story), victim: ""} == {**before, victim: ""}
    story.note("goes on")
    story.cluster.patch({"spec": {"paused": False}})
    until(lambda: "" if _config_map(story) != held else "the old one", "on", limit("settled"))
    _settle(story)
