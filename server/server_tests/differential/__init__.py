"""The same requests to a real Consul 1.8.7 and to this server, and what differs.

`cases_*.py` hold the requests; `target.py` starts the servers; `run.py` records what each
answers; `normalise.py` takes out what may differ (indexes, names, random IDs); `compare.py` says
what is left. `python -m server_tests.differential.report` counts it all by endpoint.
"""
