"""A virtual machine, from a medium and a firmware to a running guest that can be watched.

In comes a `MachineSpec` and a directory for evidence; out goes a `Machine` with a serial console, QMP and
the phase its boot has reached. Knows nothing of configurations, expectations or checks.
"""
