"""The embedded AWS: an emulated control plane, backing servers that are real, and the service's tasks."""
