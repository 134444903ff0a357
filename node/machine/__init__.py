"""Processes, ports, run records, interrupts and log files of this machine."""
