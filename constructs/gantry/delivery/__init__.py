"""Deployments: pipeline, ledger, archive and who may deploy."""
