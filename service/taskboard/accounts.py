"""Signing up, in and out."""

import unicodedata
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import psycopg
from fastapi import APIRouter, Depends
from psycopg.rows import class_row
from pydantic import BaseModel

from taskboard.dependencies import (
    ContextDep,
    ServicesDep,
    SessionCookieDep,
    SessionDep,
    limit_sign_ins,
    limit_sign_ups,
)
from taskboard.errors import ApiError, ErrorDetail, ErrorEnvelope, InvalidFieldError
from taskboard.fields import Email, Password, Unchecked
from taskboard.guessable import is_guessable

router = APIRouter(tags=["accounts"])


class Credentials(BaseModel):
    """What a person signs up or in with."""

    email: Email
    password: Password


class SignIn(BaseModel):
    """Like `Credentials`, but a password that could not have been chosen is merely wrong."""

    email: Unchecked
    password: Unchecked


class Account(BaseModel):
    """A person who may sign in."""

    id: UUID
    email: str
    created_at: datetime


class _StoredAccount(Account):
    password_hash: str


@router.post(
    "/sign-up",
    status_code=HTTPStatus.CREATED,
    dependencies=[Depends(limit_sign_ups)],
    responses={HTTPStatus.CONFLICT: {"model": ErrorEnvelope, "description": "The address has an account."}},
)
async def sign_up(
    credentials: Credentials, services: ServicesDep, context: ContextDep, cookie: SessionCookieDep
) -> Account:
    """Make an account and sign in to it."""
    if is_guessable(credentials.password, credentials.email):
        detail = ErrorDetail(field="password", message="is easy to guess; unrelated words are not")
        raise InvalidFieldError(detail)
    with services.passwords.turn():
        password_hash = await services.passwords.hash(credentials.password)
    try:
        async with services.database.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Account))
            await cursor.execute(
                "INSERT INTO accounts (email, password_hash) VALUES (%s, %s) RETURNING id, email, created_at",
                [credentials.email, password_hash],
            )
            account = await cursor.fetchone()
    except psycopg.errors.UniqueViolation:
        message = "there is an account with this address already"
        raise ApiError(HTTPStatus.CONFLICT, "email_taken", message) from None
    assert account is not None  # noqa: S101 - RETURNING has a row
    await services.attempts.remember(account.email, context.client)
    context.response_headers.append(
        ("set-cookie", await services.sessions.start(account.id, replaces=cookie))
    )
    return account


@router.post("/sign-in", dependencies=[Depends(limit_sign_ins)])
async def sign_in(
    given: SignIn, services: ServicesDep, context: ContextDep, cookie: SessionCookieDep
) -> Account:
    """Start a session in place of the one that the request has; its cookie comes with the response."""
    email = unicodedata.normalize("NFC", given.email.strip())  # as `Email` has it
    with services.passwords.turn():
        account = await _find(services, email)
        attempt = await services.attempts.begin(account.email if account else email, context.client)
        hashed = account.password_hash if account else None
        matches = await services.passwords.matches(given.password, hashed)
    if not matches or account is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "wrong_credentials", "the address or the password is wrong")
    await services.attempts.succeed(attempt)
    context.response_headers.append(
        ("set-cookie", await services.sessions.start(account.id, replaces=cookie))
    )
    return account


@router.post("/sign-out", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(session: SessionDep, services: ServicesDep, context: ContextDep) -> None:
    """End the session."""
    removal = await services.sessions.end(session.id)
    # Also in place of a renewal that may be on its way.
    context.response_headers.append(("set-cookie", removal))


@router.post("/sign-out-everywhere", status_code=HTTPStatus.NO_CONTENT)
async def sign_out_everywhere(session: SessionDep, services: ServicesDep, context: ContextDep) -> None:
    """End every session of the account, this one included."""
    removal = await services.sessions.end_all(session.account_id)
    context.response_headers.append(("set-cookie", removal))


@router.get("/account")
async def read_account(session: SessionDep, services: ServicesDep) -> Account:
    """Return who is signed in."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Account))
        await cursor.execute("SELECT id, email, created_at FROM accounts WHERE id = %s", [session.account_id])
        account = await cursor.fetchone()
    if account is None:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "not_signed_in", "the account is gone")
    return account


async def _find(services: ServicesDep, email: str) -> _StoredAccount | None:
    if "\x00" in email:
        return None
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(_StoredAccount))
        await cursor.execute(
            "SELECT id, email, created_at, password_hash FROM accounts WHERE lower(email) = lower(%s)",
            [email],
        )
        return await cursor.fetchone()
