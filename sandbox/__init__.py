"""The embedded AWS: emulated control plane, real data planes and the service's tasks, all on this machine."""
