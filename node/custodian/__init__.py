"""The customer's own process beside an HSM: it gives halves of split keys to rooms with leases.

Runs on the customer's machine, needs no node. See README.md for where things are.
"""
