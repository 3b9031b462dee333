"""The reference service: projects and tasks behind a sign-in."""
