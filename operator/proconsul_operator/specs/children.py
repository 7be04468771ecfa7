"""The objects that are applied in every cycle, in the order in which they are needed.

Not among them: the StatefulSet, whose size and template are decided by plans; the guard and the
Secrets, which are made once and never again; the recovery's ConfigMap.
"""

from proconsul_operator.specs.certificate import certificate
from proconsul_operator.specs.configmaps import config_map
from proconsul_operator.specs.monitoring import dashboards, prometheus_rule, service_monitor
from proconsul_operator.specs.networkpolicy import network_policy
from proconsul_operator.specs.poddisruptionbudget import pod_disruption_budget
from proconsul_operator.specs.rbac import role, role_binding, service_account
from proconsul_operator.specs.services import services
from proconsul_operator.specs.wanted import Manifest, Wanted


def children(wanted: Wanted) -> tuple[Manifest, ...]:
    """All of them that the spec asks for."""
    spec = wanted.spec
    made = [
        service_account(wanted),
        role(wanted),
        role_binding(wanted),
        config_map(wanted),
        *services(wanted),
    ]
    if spec.network_policy.enabled:
        made.append(network_policy(wanted))
    if spec.pod_disruption_budget.enabled:
        made.append(pod_disruption_budget(wanted))
    if wanted.has_tls and spec.tls is not None and spec.tls.issuer_ref is not None:
        made.append(certificate(wanted))
    if spec.monitoring.service_monitor:
        made.append(service_monitor(wanted))
    if spec.monitoring.prometheus_rule and spec.replicas:  # who hibernates is to wake nobody
        made.append(prometheus_rule(wanted))
    if spec.monitoring.dashboards:
        made.append(dashboards(wanted))
    return tuple(made)
