"""The operator's command line: `./gantry`."""
