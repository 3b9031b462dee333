"""The environment that is on this machine, in the embedded AWS."""

SANDBOX = "sandbox"
SANDBOX_ACCOUNT = "000000000000"  # of no customer; the launcher and config/sandbox.toml name it, too
