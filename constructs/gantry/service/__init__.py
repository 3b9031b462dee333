"""The containerised service and what is in front of it."""
