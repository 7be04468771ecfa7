server = true
bootstrap = true
bind_addr = "127.102.0.1"
client_addr = "127.102.0.1"
datacenter = "DCx"
node_name = " n1 "
node_meta { a = "b" }
retry_join = ["127.102.0.1"]
ports { https = 0 dns = -1 serf_wan = -1 }
dns_config {
  service_ttl { "*" = "5s" }
  soa { refresh = 7 }
  node_ttl = "1m"
  enable_truncate = true
}
domain = "foo"
recursors = ["127.0.0.1", "127.0.0.1", "8.8.8.8:53"]
acl { enabled = false role_ttl = "8s" default_policy = "deny" tokens { agent = "x" } }
autopilot { min_quorum = 3 cleanup_dead_servers = false }
limits { rpc_rate = 5 rpc_max_burst = 6 }
telemetry {
  prefix_filter = ["+a", "-b"]
  prometheus_retention_time = "1m"
  disable_hostname = true
}
raft_snapshot_threshold = 17
raft_snapshot_interval = "17s"
raft_trailing_logs = 3
raft_protocol = 3
session_ttl_min = "1s"
http_config {
  block_endpoints = ["/v1/x"]
  allow_write_http_from = ["127.0.0.5/8"]
  response_headers { A = "b" }
  use_cache = false
}
connect {
  enabled = true
  ca_provider = "consul"
  ca_config { leaf_cert_ttl = "72h" intermediate_cert_ttl = "9000h" foo = ["x"] }
}
services {
  name = "web"
  id = "w"
  port = 8
  proxy { config { a { b = 1 } c = ["x"] d = ["x", "y"] e = [{ f = 1 }, { g = 2 }] } }
  check { http = "http://x" interval = "10s" ServiceID = "q" }
  checks = [{ ttl = "5s" }]
}
services {
  name = "db"
  connect {
    sidecar_service { proxy { upstreams { destination_name = "z" local_bind_port = 5 } } }
  }
}
check { name = "c" ttl = "7s" }
performance { raft_multiplier = 3 leave_drain_time = "1s" rpc_hold_timeout = "2s" }
reconnect_timeout = "9h"
gossip_lan { probe_interval = "3s" }
tagged_addresses { foo = "1.2.3.4" }
unix_sockets { mode = "0700" }
ui_content_path = "my"
check_update_interval = "7m"
check_output_max_size = 9
discard_check_output = true
