"""A migration is applied once: a change of its file stops every service whose database has it."""

import hashlib

from tests.unit.service.test_image import SERVICE

RELEASED = {
    "0001_accounts_projects_tasks.sql": "c5ee5d674d1fefb6",
    "0002_composed_addresses.sql": "5621fff104fccd2f",
}


def test_released_migrations_stay_as_they_are() -> None:
    """Add a line for a new one; for another text of an old one, write a new migration."""
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for file in (SERVICE / "taskboard" / "migrations").glob("*.sql")
    }
    assert found == RELEASED
