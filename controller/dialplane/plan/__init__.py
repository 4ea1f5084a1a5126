"""PURE: a snapshot in, a plan out. No I/O, no clock, no Kubernetes.

A plan is the exact files that Asterisk should read, what each resource contributed to them (so that Asterisk can be
asked about it), and the problems of the resources that were left out. The same snapshot gives the same bytes.
"""
