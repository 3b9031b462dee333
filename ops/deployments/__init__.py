"""The record of deployments: who changes an environment, what was deployed, and the way back."""
