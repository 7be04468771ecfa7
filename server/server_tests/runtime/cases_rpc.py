"""Raw calls, good and bad, for the method table: what a server with ACLs and Connect off answers.

Names in here end with nothing that another story uses, so that their order does not matter.
"""

from typing import Any

from server_tests.runtime.rpc_twins import Step, Story, config_entry, step

HERE = {"Datacenter": "dc1"}
ID = "11111111-0000-4000-8000-00000000000"  # and one digit


def story(name: str, *steps: Step) -> Story:
    return Story(name, steps)


def here(**fields: Any) -> dict[str, Any]:
    """Arguments for this datacenter."""
    return {**HERE, **fields}


def key(name: str, value: str = "v", op: str = "set", **fields: Any) -> dict[str, Any]:
    """The arguments of `KVS.Apply`."""
    return here(Op=op, DirEnt={"Key": name, "Value": value, **fields})


def registration(node: str, **fields: Any) -> dict[str, Any]:
    """The arguments of `Catalog.Register`."""
    return here(Node=node, Address="10.0.0.1", **fields)


# ---------------------------------------------------------------- what is refused by everybody

# Each with arguments that say nothing but a datacenter: which of the checks comes first?
WITHOUT_ARGUMENTS = (
    *("ACL.Apply", "ACL.AuthMethodDelete", "ACL.AuthMethodList", "ACL.AuthMethodRead"),
    *("ACL.AuthMethodSet", "ACL.Authorize", "ACL.BindingRuleDelete", "ACL.BindingRuleList"),
    *("ACL.BindingRuleRead", "ACL.BindingRuleSet", "ACL.BootstrapTokens", "ACL.Get"),
    *("ACL.GetPolicy", "ACL.List", "ACL.Login", "ACL.Logout", "ACL.PolicyBatchRead"),
    *("ACL.PolicyDelete", "ACL.PolicyList", "ACL.PolicyRead", "ACL.PolicyResolve"),
    *("ACL.PolicySet", "ACL.ReplicationStatus", "ACL.RoleBatchRead", "ACL.RoleDelete"),
    *("ACL.RoleList", "ACL.RoleRead", "ACL.RoleResolve", "ACL.RoleSet", "ACL.TokenBatchRead"),
    *("ACL.TokenClone", "ACL.TokenDelete", "ACL.TokenList", "ACL.TokenRead", "ACL.TokenSet"),
    *("AutoConfig.InitialConfiguration", "AutoEncrypt.Sign", "Catalog.Deregister"),
    *("Catalog.GatewayServices", "Catalog.ListDatacenters", "Catalog.NodeServiceList"),
    *("Catalog.NodeServices", "Catalog.Register", "Catalog.ServiceNodes", "ConfigEntry.Get"),
    *("ConnectCA.ConfigurationGet", "ConnectCA.ConfigurationSet", "ConnectCA.Roots"),
    *("ConnectCA.Sign", "ConnectCA.SignIntermediate", "Coordinate.Node", "DiscoveryChain.Get"),
    *("FederationState.Apply", "Health.NodeChecks", "Health.ServiceChecks"),
    *("Health.ServiceNodes", "Intention.Get", "Internal.GatewayServiceDump", "KVS.Apply"),
    *("PreparedQuery.Get", "Session.Apply", "Txn.Apply", "Txn.Read"),
)
# The rest of those that look at the datacenter; of Internal.KeyringOperation the real one dies.
ELSEWHERE = (
    *WITHOUT_ARGUMENTS,
    *("ACL.Bootstrap", "Catalog.ListNodes", "Catalog.ListServices", "Catalog.ServiceList"),
    *("ConfigEntry.List", "ConfigEntry.ListAll", "ConfigEntry.ResolveServiceConfig"),
    *("Coordinate.ListNodes", "Coordinate.Update", "FederationState.Get", "FederationState.List"),
    *("FederationState.ListMeshGateways", "Health.ChecksInState", "Intention.Apply"),
    *("Intention.Check", "Intention.List", "Intention.Match", "Internal.EventFire"),
    *("Internal.NodeDump", "Internal.NodeInfo", "Internal.ServiceDump"),
    *("KVS.Get", "KVS.List", "KVS.ListKeys"),
    *("Operator.AutopilotGetConfiguration", "Operator.AutopilotSetConfiguration"),
    *("Operator.RaftGetConfiguration", "Operator.RaftRemovePeerByAddress"),
    *("Operator.RaftRemovePeerByID", "Operator.ServerHealth", "PreparedQuery.Apply"),
    *("PreparedQuery.Execute", "PreparedQuery.ExecuteRemote", "PreparedQuery.Explain"),
    *("PreparedQuery.List", "Session.Get", "Session.List", "Session.NodeSessions"),
    *("Session.Renew", "Status.Leader", "Status.Peers"),
)

REFUSALS = [
    *(story(f"nothing but a datacenter: {name}", step(name, HERE)) for name in WITHOUT_ARGUMENTS),
    *(
        story(f"elsewhere: {name}", step(name, {"Datacenter": "mars"}), step("Status.Ping"))
        for name in ELSEWHERE
    ),
    *(story(f"nowhere: {name}", step(name, {}), step("Status.Ping")) for name in ELSEWHERE),
]

# What later clients ask for, and what nobody should.
UNKNOWN = [
    story(f"unknown: {name}", step("Status.Ping"), step(name, HERE), step("Status.Ping"))
    for name in (
        *("Internal.ServiceTopology", "Internal.IntentionUpstreams", "Internal.CatalogOverview"),
        *("Internal.GatewayIntentions", "Internal.ExportedPeeredServices"),
        *("Internal.PeeredUpstreams", "Internal.AssignManualServiceVIPs"),
        *("Internal.IntentionUpstreamsDestination", "Internal.ServiceGatewayIntentions"),
        *("Internal.ExportedServicesForPeer", "Catalog.VirtualIPForService"),
        *("Operator.AutopilotState", "Operator.Usage", "ConfigEntry.Zork", "ACL.Zork"),
        *("Health.Zork", "Peering.List", "Subscribe.Subscribe", "Zork.Zork", "zork", ""),
        *("KVS.", ".Get", "kvs.Get", "KVS.get", "KVS.Get.More", "AutoConfig.Zork"),
    )
]

UNREADABLE = [
    story(f"unreadable: {name} {args!r}", step(name, args), step("Status.Ping"))
    for name, args in (
        ("KVS.Get", b"\x01"),
        ("KVS.Get", b"\xa1x"),
        ("KVS.Get", {**HERE, "Key": 5}),
        ("KVS.Get", {**HERE, "MinQueryIndex": "x"}),
        ("Catalog.Register", {**HERE, "Node": "n", "Service": "x"}),
        ("ConfigEntry.Apply", b"\x80"),
        ("ConfigEntry.Apply", b"\xa1x"),
        ("ConfigEntry.Get", b"\xa1x"),
        ("ConfigEntry.Apply", config_entry("proxy-defaults", {"Config": {"a": None}})),
        ("ConfigEntry.Apply", config_entry("proxy-defaults", {"Config": {"a": {"b": None}}})),
        ("ConfigEntry.Apply", config_entry("proxy-defaults", {"Config": {"a": [None]}})),
    )
]
UNKNOWN_KINDS = [
    story(f"kind {kind!r}: {name}", step(name, config_entry(kind, {})), step("Status.Ping"))
    for kind in ("", "zork", "service-intentions", "mesh", "exported-services", "Service-Defaults")
    for name in ("ConfigEntry.Apply", "ConfigEntry.Delete")
]

# ---------------------------------------------------------------- what other tables have, too

CATALOG = [
    story(
        "register and deregister",
        step("Catalog.Register", registration("rc1", Service={"Service": "rc-web", "Port": 80})),
        step(
            "Catalog.Register",
            registration(
                "rc1",
                SkipNodeUpdate=True,
                Check={"Name": "alive", "Status": "passing", "ServiceID": "rc-web"},
            ),
        ),
        step("Catalog.NodeServices", here(Node="rc1")),
        step("Catalog.NodeServiceList", here(Node="RC1")),
        step("Catalog.NodeServices", here(Node="none")),
        step("Catalog.NodeServiceList", here(Node="none")),
        step("Catalog.ServiceNodes", here(ServiceName="rc-web")),
        step("Catalog.ServiceNodes", here(ServiceName="rc-none")),
        step("Health.ServiceNodes", here(ServiceName="rc-web")),
        step("Health.ServiceNodes", here(ServiceName="rc-web", ServiceTags=["x"], TagFilter=True)),
        step("Health.ServiceChecks", here(ServiceName="rc-web")),
        step("Health.NodeChecks", here(Node="rc1")),
        step("Health.ChecksInState", here(State="passing", Filter="Node == rc1")),
        step("Health.ChecksInState", here(State="passing", Filter="zork zork")),
        step("Internal.NodeInfo", here(Node="rc1")),
        step("Internal.NodeDump", here(Filter="Node == rc1")),
        step("Internal.ServiceDump", here(Filter="Service.Service == `rc-web`")),
        step("Internal.ServiceDump", here(UseServiceKind=True, ServiceKind="mesh-gateway")),
        step("Catalog.Deregister", here(Node="rc1", ServiceID="rc-web")),
        step("Catalog.Deregister", here(Node="rc1")),
        step("Catalog.Deregister", here(Node="rc1")),
        step("Internal.NodeInfo", here(Node="rc1")),
    ),
    story(
        "registrations that are wrong",
        step("Catalog.Register", here(Node="rw1")),
        step("Catalog.Register", here(Address="10.0.0.1")),
        step("Catalog.Register", registration("rw1", ID="x")),
        step("Catalog.Register", registration("rw1", Service={"ID": "x"})),
        step("Catalog.Register", registration("rw1", Service={"Kind": "connect-proxy"})),
        step("Catalog.Register", registration("rw1", Check={"Node": "other", "Name": "x"})),
        step("Internal.NodeInfo", here(Node="rw1")),
    ),
    story(
        "the names of all", step("Catalog.ListServices", HERE), step("Catalog.ServiceList", HERE)
    ),
    story(
        "the servers' own",
        step("Status.Ping"),
        step("Status.Leader", HERE),
        step("Status.Peers", HERE),
        step("Operator.RaftGetConfiguration", HERE, "Index"),
        step("Operator.AutopilotGetConfiguration", HERE),
        step("Operator.RaftRemovePeerByID", here(ID="none")),
        step("Operator.RaftRemovePeerByAddress", here(Address="127.0.0.1:1")),
    ),
    story(
        "coordinates",
        step("Coordinate.ListDatacenters"),
        step("Coordinate.Node", here(Node="none"), "Index"),
        step("Coordinate.Update", here(Node="none", Coord={"Vec": [1.0]})),
    ),
]

KEYS = [
    story(
        "keys",
        step("KVS.Apply", key("rk/a")),
        step("KVS.Apply", key("rk/b/c", "x", Flags=7)),
        step("KVS.Apply", key("rk/a", "w", "cas", ModifyIndex=1)),
        step("KVS.Apply", key("rk/new", "w", "cas")),
        step("KVS.Apply", key("rk/a", op="zork")),
        step("KVS.Apply", key("rk/a", op="lock", Session=ID + "1")),
        step("KVS.Apply", key("")),
        step("KVS.Get", here(Key="rk/a")),
        step("KVS.Get", here(Key="rk/none")),
        step("KVS.List", here(Key="rk/")),
        step("KVS.ListKeys", here(Prefix="rk/", Seperator="/")),
        step("KVS.Apply", key("rk/a", op="delete")),
        step("KVS.Apply", key("rk/", op="delete-tree")),
        step("KVS.List", here(Key="rk/")),
    ),
    story(
        "transactions",
        step(
            "Txn.Apply",
            here(
                Ops=[
                    {"KV": {"Verb": "set", "DirEnt": {"Key": "rt/a", "Value": "1"}}},
                    {"KV": {"Verb": "get", "DirEnt": {"Key": "rt/a"}}},
                    {"KV": {"Verb": "delete-tree", "DirEnt": {"Key": "rt/"}}},
                ]
            ),
        ),
        step("Txn.Apply", here(Ops=[{"KV": {"Verb": "zork", "DirEnt": {"Key": "rt/a"}}}])),
        step("Txn.Apply", here(Ops=[{"KV": {"Verb": "get", "DirEnt": {"Key": "rt/none"}}}])),
        step("Txn.Read", here(Ops=[{"KV": {"Verb": "get", "DirEnt": {"Key": "rt/none"}}}])),
    ),
    story(
        "sessions",
        step("-Catalog.Register", registration("rs1")),
        step("Session.Apply", here(Op="create", Session={"Node": "rs1", "TTL": "1000s"})),
        step("Session.Apply", here(Op="create", Session={"Node": "none"})),
        step("Session.Apply", here(Op="create", Session={"Node": "rs1", "Behavior": "x"})),
        step("Session.Apply", here(Op="create", Session={"Node": "rs1", "TTL": "x"})),
        step("Session.Apply", here(Op="create", Session={"Node": "rs1", "TTL": "100h"})),
        step("Session.Apply", here(Op="create", Session={})),
        step("Session.Apply", here(Op="destroy", Session={})),
        step("Session.Apply", here(Op="zork", Session={})),
        step("Session.Apply", here(Op="destroy", Session={"ID": ID + "2"})),
        step("Session.NodeSessions", here(Node="rs1")),
        step("Session.Get", here(Session=ID + "3")),
        step("Session.Renew", here(Session=ID + "3")),
        step("-Catalog.Deregister", here(Node="rs1")),
        step("Session.NodeSessions", here(Node="rs1")),
    ),
]

# ---------------------------------------------------------------- federation states

GATEWAY = {
    "Node": {"Node": "gw", "Address": "10.9.9.9", "Datacenter": "rf2"},
    "Service": {"Service": "gw", "Kind": "mesh-gateway", "Port": 443},
    "Checks": None,
}


def federation(op: str, datacenter: str, **fields: Any) -> dict[str, Any]:
    """The arguments of `FederationState.Apply`."""
    return {"Datacenter": "mars", "Op": op, "State": {"Datacenter": datacenter, **fields}}


def asks_about(datacenter: str, target: str = "dc1") -> dict[str, Any]:
    """The arguments of `FederationState.Get`."""
    return {"Datacenter": datacenter, "TargetDatacenter": target}


FEDERATION = [
    story(
        "federation states",
        # Both leaders have written their own.
        step("FederationState.List", HERE, "CreateIndex"),
        step("FederationState.ListMeshGateways", HERE),
        step("FederationState.Apply", federation("upsert", "rf2", MeshGateways=[GATEWAY])),
        step("FederationState.Apply", federation("upsert", "rf3", PrimaryModifyIndex=5)),
        step("FederationState.Get", asks_about("rf2")),
        step("FederationState.Get", asks_about("RF3")),
        step("FederationState.Get", asks_about("none")),
        step("FederationState.Get", asks_about("rf2", "mars")),
        step("FederationState.Get", asks_about("rf2", "")),
        step("FederationState.List", HERE, "CreateIndex"),
        step("FederationState.ListMeshGateways", HERE),
        step("FederationState.Apply", federation("upsert", "rf2")),
        step("FederationState.ListMeshGateways", HERE),
        step("FederationState.Apply", federation("delete", "rf2")),
        step("FederationState.Apply", federation("delete", "rf3")),
        step("FederationState.Apply", federation("delete", "rf3")),
        step("FederationState.List", HERE, "CreateIndex"),
    ),
    story(
        "federation states that are wrong",
        step("FederationState.Apply", federation("zork", "rf2")),
        step("FederationState.Apply", federation("", "rf2")),
        step("FederationState.Apply", federation("upsert", "")),
        step("FederationState.Apply", federation("zork", "")),
        step("FederationState.Apply", {"Op": "upsert"}),
    ),
]

# ---------------------------------------------------------------- what is stored of later things

STORED = [
    story(
        "intentions that are not there",
        step("Intention.List", HERE),
        step("Intention.List", here(Filter="SourceName == web")),
        step("Intention.Get", here(IntentionID=ID + "4")),
        step("Intention.Get", here(IntentionID="x")),
        step("Intention.Get", here(IntentionID="11111111-0000-4000-8000-0000000000zz")),
    ),
    story(
        "queries that are not there",
        step("PreparedQuery.List", HERE),
        step("PreparedQuery.Get", here(QueryID=ID + "4")),
        step("PreparedQuery.Get", here(QueryID="x")),
    ),
    story(
        "rights of the old system",
        step("ACL.Bootstrap", HERE),
        step("ACL.Bootstrap", HERE),
        step("ACL.GetPolicy", here(ACL=ID + "4")),
        step("ACL.GetPolicy", here(ACL="anonymous")),
    ),
]

STORIES = [
    *REFUSALS,
    *UNKNOWN,
    *UNREADABLE,
    *UNKNOWN_KINDS,
    *CATALOG,
    *KEYS,
    *FEDERATION,
    *STORED,
]

# ---------------------------------------------------------------- what only a real one does

LATER = [
    ("Intention.Apply", here(Op="create", Intention={"SourceName": "a", "DestinationName": "b"})),
    ("Intention.Match", here(Match={"Type": "source", "Entries": [{"Name": "a"}]})),
    ("Intention.Check", here(Check={"SourceName": "a", "DestinationName": "b"})),
    ("PreparedQuery.Apply", here(Op="create", Query={"Service": {"Service": "a"}})),
    ("PreparedQuery.Execute", here(QueryIDOrName="a")),
    ("PreparedQuery.ExecuteRemote", here(Query={"Service": {"Service": "a"}})),
    ("PreparedQuery.Explain", here(QueryIDOrName="a")),
]
LATER_WITH_CONNECT = [
    ("ConnectCA.ConfigurationGet", HERE),
    ("ConnectCA.ConfigurationSet", here(Config={"Provider": "consul"})),
    ("ConnectCA.Roots", HERE),
    ("ConnectCA.Sign", here(CSR="x")),
    ("ConnectCA.SignIntermediate", here(CSR="x")),
    ("DiscoveryChain.Get", here(Name="a")),
]
