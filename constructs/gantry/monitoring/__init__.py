"""Metrics, alarms, dashboard and canary."""
