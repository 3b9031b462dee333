"""Titles of the dashboard's golden signals, which a check after a deployment reads by them."""

TRAFFIC = "Traffic (requests a minute)"
ERRORS = "Errors (5xx a minute)"
LATENCY = "Latency (s)"
SATURATION = "Saturation (% of tasks)"
