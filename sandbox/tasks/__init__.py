"""Runs tasks and services as ECS does, with processes for containers."""
