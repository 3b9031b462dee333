"""The platform's stacks, one a layer."""
