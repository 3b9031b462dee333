"""The developers' commands of `./gantry`: tests, benchmarks, pins and generated documents."""
