"""How fast this server is beside a real Consul 1.8.7, on the same machine and in the same run.

`make bench` starts both, asks both the same things, and prints tables of ratios with the settings
of the run; nothing is counted before both have given the same answers. `__main__` is the command,
`rows` the table of what is measured and its goals, `pairs` how. Nothing of it is part of the test
suite: times are judged by people, on a machine that does nothing else.
"""
