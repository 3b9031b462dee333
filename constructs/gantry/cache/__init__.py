"""The serverless cache and its users."""
