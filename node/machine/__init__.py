"""Processes, ports, run records, interrupts, log files and durable files of this machine."""
