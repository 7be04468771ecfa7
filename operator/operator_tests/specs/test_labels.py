"""What every child carries."""

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.labels import (
    CLUSTER,
    kept_metadata,
    labels,
    metadata,
    pod_labels,
    selector,
)

CLUSTER_OF_THREE = wanted(podTemplate={"labels": {"team": "a", CLUSTER: "stolen"}})


def test_a_child_goes_with_its_cluster() -> None:
    made = metadata(CLUSTER_OF_THREE, "child")
    (owner,) = made["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == (
        "ProconsulCluster",
        "consul",
        CLUSTER_OF_THREE.uid,
    )
    assert owner["controller"]
    assert owner["blockOwnerDeletion"]


def test_what_is_kept_has_no_owner_and_says_so() -> None:
    made = kept_metadata(CLUSTER_OF_THREE, "guard")
    assert "ownerReferences" not in made
    assert made["labels"]["proconsul.io/kept"] == "true"


def test_everything_can_be_watched_by_one_label() -> None:
    for made in (labels(CLUSTER_OF_THREE), pod_labels(CLUSTER_OF_THREE)):
        assert made[CLUSTER] == "consul"
        assert selector(CLUSTER_OF_THREE).items() <= made.items()


def test_a_pods_labels_do_not_change_with_the_operators_version() -> None:
    assert "app.kubernetes.io/version" not in pod_labels(CLUSTER_OF_THREE)


def test_labels_of_a_persons_own_are_added_and_never_outweigh_ours() -> None:
    assert pod_labels(CLUSTER_OF_THREE)["team"] == "a"
    assert pod_labels(CLUSTER_OF_THREE)[CLUSTER] == "consul"
