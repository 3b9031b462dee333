"""Gantry's constructs: reusable parts of a platform for one containerised web service."""
