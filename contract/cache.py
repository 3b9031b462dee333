"""The cache's address."""

PORT = 6379
