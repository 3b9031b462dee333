"""The constructs that the stacks compose, a package a domain; they know neither settings nor stacks."""
