"""Any order of wishes and faults: the operator never does harm, and ends where the spec says.

People change size, image, configuration, keys and CA, pods die, a disk vanishes, views are old, and
the operator is killed at any act. Harm is asserted where its acts arrive (acts.py). When the faults
stop, the cluster comes to what is asked for, unless too many disks were lost: then it says so and
touches nothing.
"""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from operator_tests.plans.operator import Operator
from operator_tests.plans.stories import is_whole, schedule
from operator_tests.plans.world import BAD_KEY, BROKEN, World
from proconsul_operator.plans.quorum import Quorum, judge
from proconsul_operator.plans.steps import STEPS

ACTS = sorted(step for step, row in STEPS.items() if row.acts)
SIZES = [1, 3, 5]
TAGS = ["1.0.0", "1.1.0", BROKEN]


class Cluster(RuleBasedStateMachine):
    """A cluster, its operator, and what befalls them."""

    @initialize(replicas=st.sampled_from(SIZES), settled=st.booleans())
    def create(self, replicas: int, settled: bool) -> None:
        self.replicas, self.tag = replicas, "1.0.0"
        self.config: dict[str, int] = {}
        self.world = World(replicas=replicas, image={"tag": self.tag}, gossip={}, tls={})
        self.world.schedules = (schedule(),)
        self.operator = Operator(self.world)
        self.epoch = 0
        self.guarded = ""
        if settled:
            self.operator.settle()

    def edit(self) -> None:
        self.world.edit(
            replicas=self.replicas,
            image={"tag": self.tag},
            gossip={},
            tls={},
            config=self.config,
            update={"preUpgradeSnapshot": True},
        )

    @rule(by=st.sampled_from([-2, 2]))
    def resize(self, by: int) -> None:
        if self.replicas + by in SIZES:
            self.replicas += by
            self.edit()

    @rule(tag=st.sampled_from(TAGS))
    def change_image(self, tag: str) -> None:
        # The skew of versions is another matter, and has tests of its own.
        self.world.annotate(allow_version=tag)
        self.tag = tag
        self.edit()

    @rule(key=st.sampled_from(["raft_trailing_logs", "retry_max", BAD_KEY]))
    def change_config(self, key: str) -> None:
        self.config = {key: 1}
        self.edit()

    @rule(slow=st.booleans())
    def snapshots_hang(self, slow: bool) -> None:
        self.world.slow_snapshots = slow

    @rule(token=st.integers(1, 3))
    def rotate_gossip(self, token: int) -> None:
        self.world.annotate(rotate_gossip=str(token))

    @rule(token=st.integers(1, 3))
    def rotate_authority(self, token: int) -> None:
        self.world.annotate(rotate_ca=str(token))

    @precondition(lambda self: self.world.certificates.leaf is not None)
    @rule()
    def certificate_nears_its_end(self) -> None:
        self.world.certificates.near_end(self.world.now_s)

    @rule(cycles=st.integers(1, 8), stale=st.integers(0, 3))
    def work(self, cycles: int, stale: int) -> None:
        for _ in range(cycles):
            self.operator.cycle(stale=stale)
            self.operator.pass_time()

    @rule(cycles=st.integers(1, 12))
    def work_until_killed(self, cycles: int) -> None:
        for _ in range(cycles):
            if self.operator.cycle(kill_after=ACTS).acts:
                break
            self.operator.pass_time()

    @rule()
    def kill_the_operator(self) -> None:
        self.operator.kill()

    @rule(ticks=st.integers(1, 6))
    def pass_without_operator(self, ticks: int) -> None:
        for _ in range(ticks):
            self.operator.pass_time()

    @rule(ordinal=st.integers(0, 4))
    def pod_crashes(self, ordinal: int) -> None:
        self.world.crash(ordinal)

    @rule(ordinal=st.integers(0, 4))
    def pod_is_deleted(self, ordinal: int) -> None:
        self.world.delete_pod(ordinal)

    @rule(ordinal=st.integers(0, 4))
    def pod_is_out_of_reach(self, ordinal: int) -> None:
        pod = self.world.pod(ordinal)
        if pod is not None:
            pod.silent = True

    @precondition(lambda self: self.world.leader_id and len(self.world.active()) > 2)
    @rule(ordinal=st.integers(0, 4))
    def disk_vanishes(self, ordinal: int) -> None:
        # One at a time, and of a cluster that is whole: more is RecoverQuorum's story.
        if is_whole(self.world, self.world.size):
            self.world.lose_disk(ordinal)

    @rule()
    def faults_end(self) -> None:
        self.world.heal()

    @rule(ordinal=st.integers(0, 4))
    def leader_moves(self, ordinal: int) -> None:
        pod = self.world.pod(ordinal)
        if pod is not None and pod.running and self.world.has_quorum():
            server_id = self.world.objects.disks[ordinal].id
            member = self.world.configuration.by_id(server_id)
            if member is not None and member.voter and server_id in self.world.active():
                self.world.move_leader(ordinal)

    @invariant()
    def epoch_and_guard_never_go_back(self) -> None:
        if not hasattr(self, "world"):
            return
        epoch = self.world.cluster.status.recovery_epoch
        assert epoch >= self.epoch
        self.epoch = epoch
        guard = self.world.objects.guard
        if self.guarded:
            assert guard is not None
            assert guard.bootstrapped
            assert guard.cluster_id == self.guarded
        elif guard is not None and guard.bootstrapped:
            self.guarded = guard.cluster_id

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.heal()
        self.world.slow_snapshots = False
        if BAD_KEY in self.config:
            self.change_config("retry_max")
        if self.tag == BROKEN:
            self.change_image("1.1.0")
        verdict = judge(self.operator.observe(self.world.objects.copied()))
        for _ in range(3):
            self.operator.pass_time()
            verdict = judge(self.operator.observe(self.world.objects.copied()))
        if verdict.quorum is Quorum.MAJORITY_LOST:
            return
        self.operator.settle()
        assert is_whole(self.world, self.replicas), self.operator.last
        tags = {pod.tag for pod in self.world.objects.pods.values()}
        assert tags == {self.tag}
        assert len(self.world.keys) == 1
        self.operator.run(cycles=5)  # until the last member has taken what there is
        assert self.world.certificates.is_by_newest_alone()


class TestCluster(Cluster.TestCase):  # type: ignore[misc,valid-type]
    """As pytest finds it."""

    settings = settings(
        max_examples=60,
        stateful_step_count=25,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes many minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
