"""Consul's `?filter=` expressions, by the rules of go-bexpr 0.1.2 (that of Consul 1.8.7).

`grammar` turns text into a tree, `fields` says what a row type lets one select, `evaluate` marries
the two into one closure a row type, `literals` and `pattern` are Go's literals and Go's regular
expressions. Pure: no I/O, and time linear in the expression and in the row.
"""
