"""ElastiCache: each serverless cache is a real Valkey server behind TLS, and its users are the server's."""

import random
import time
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.concurrency import spawn_background
from ministack.services import elasticache

from sandbox.load_balancer.config import TlsProxy
from sandbox.plugin.context import Context
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import (
    run_off_the_event_loop,
)
from sandbox.plugin.responses import Action, Response, failed
from sandbox.ports import HOST, LOAD_BALANCER_PORTS
from sandbox.valkey import ValkeyServer

Cache = dict[str, Any]
User = dict[str, Any]

_MOST_PASSWORDS = 2
_PASSWORD_LENGTHS = range(16, 129)
# At AWS a change of a user takes minutes, rarely ten. Here a minute is shorter, and the tail as long.
_A_MINUTE_SECONDS = 0.1


class Caches:
    """The Valkey servers of the serverless caches, and the users on them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, cache: Cache) -> None:
        """Start a new cache's server and the TLS proxy in front of it, and give it its users."""
        name = _name(cache)
        port = self._context.ports.get(LOAD_BALANCER_PORTS + name)
        server = self._server(cache)
        self._context.backing_servers.start(name, server)
        self._context.load_balancer.put_tls_proxy(TlsProxy(port=port, upstream_port=server.port))
        self.refresh_users(cache)
        cache["Endpoint"] = {"Address": HOST, "Port": port}
        cache["ReaderEndpoint"] = {"Address": HOST, "Port": port}
        cache["Status"] = "available"

    def resume(self, cache: Cache) -> None:
        """Start the server of a cache that exists."""
        self._context.backing_servers.resume(_name(cache), self._server(cache))

    def destroy(self, cache: Cache) -> None:
        """Stop the server and remove its data."""
        name = _name(cache)
        ports = self._context.ports
        self._context.load_balancer.remove_tls_proxy(ports.get(LOAD_BALANCER_PORTS + name))
        self._context.backing_servers.destroy(name, self._server(cache))
        ports.release(LOAD_BALANCER_PORTS + name)
        ports.release(name)

    def refresh_users(self, cache: Cache) -> None:
        """Give the server every user of the cache's group."""
        for user in _users_of(elasticache._user_groups.get(cache.get("UserGroupId", ""))):
            self._apply(cache, user)

    def apply_user(self, user: User) -> None:
        """Give a user's rights and passwords to the servers of all caches that it may log in to."""
        for cache in _caches_of(user):
            self._apply(cache, user)

    def remove_user(self, user: User, caches: Iterable[Cache]) -> None:
        """Remove a user from servers."""
        for cache in caches:
            self._server(cache).remove_user(user["UserName"])

    def _apply(self, cache: Cache, user: User) -> None:
        passwords = user.get("_passwords", [])
        self._server(cache).set_user(
            user["UserName"],
            passwords=passwords,
            access=user["AccessString"] + ("" if passwords else " nopass"),
        )

    def _server(self, cache: Cache) -> ValkeyServer:
        folder = _name(cache).removeprefix("valkey/").replace("/", ".")
        layout = self._context.layout
        return ValkeyServer(
            data_dir=layout.caches / folder,
            port=self._context.ports.get(_name(cache)),
            log=layout.logs / f"valkey.{folder}.log",
        )


def install(context: Context) -> None:
    """Give caches their servers and users their effect."""
    caches = Caches(context)
    _create_caches(caches)
    _change_users(caches)
    _change_groups(caches)
    run_off_the_event_loop("AWS::ElastiCache::User", "AWS::ElastiCache::UserGroup")

    # ministack would start containers.
    @wrap(elasticache, "_ensure_live_containers")
    def ensure_live_containers(original: Callable[[], None]) -> None:
        del original

    @wrap(elasticache, "load_persisted_state")
    def load_persisted_state(original: Callable[[object], None], data: object) -> None:
        original(data)
        for _, cache in elasticache._serverless_caches.all_items():
            caches.resume(cache)
        for each in (elasticache._users, elasticache._user_groups):
            for _, changed in each.all_items():
                changed["Status"] = "active"


def _name(cache: Cache) -> str:
    region = cache["ARN"].split(":")[3]
    return f"valkey/{region}/{cache['ServerlessCacheName']}"


def _users_of(group: dict[str, Any] | None) -> list[User]:
    ids = group["UserIds"] if group else []
    return [elasticache._users[user_id] for user_id in ids if user_id in elasticache._users]


def _caches_of(user: User) -> list[Cache]:
    groups = {
        group["UserGroupId"]
        for group in elasticache._user_groups.values()
        if user["UserId"] in group["UserIds"]
    }
    return [cache for cache in elasticache._serverless_caches.values() if cache["UserGroupId"] in groups]


def _create_caches(caches: Caches) -> None:
    def provision(cache: Cache) -> None:
        try:
            caches.create(cache)
        except Exception as error:
            cache["Status"], cache["_reason"] = "create-failed", str(error)
            raise

    @wrap(elasticache, "_create_serverless_cache")
    def create(original: Action, p: dict[str, Any]) -> Response:
        response = original(p)
        if not failed(response):
            cache = elasticache._serverless_caches[elasticache._p(p, "ServerlessCacheName").lower()]
            cache["Status"] = "creating"
            spawn_background(provision, cache, thread_name=f"create-{cache['ServerlessCacheName']}")
        return response

    @wrap(elasticache, "_modify_serverless_cache")
    def modify(original: Action, p: dict[str, Any]) -> Response:
        response = original(p)
        if not failed(response):
            caches.refresh_users(
                elasticache._serverless_caches[elasticache._p(p, "ServerlessCacheName").lower()]
            )
        return response

    @wrap(elasticache, "_delete_serverless_cache")
    def delete(original: Action, p: dict[str, Any]) -> Response:
        cache = elasticache._serverless_caches.get(elasticache._p(p, "ServerlessCacheName").lower())
        response = original(p)
        if not failed(response) and cache is not None:
            caches.destroy(cache)
        return response


def _change_users(caches: Caches) -> None:
    # An access string has ampersands; ministack writes them into the XML as they are.
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeUsers.html
    @wrap(elasticache, "_user_xml")
    def user_xml(original: Callable[[User], str], u: User) -> str:
        return original(u | {"AccessString": escape(u["AccessString"])})

    # ministack takes passwords of any number and length, keeps none, and has a user "active" at once.
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateUser.html
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
    @wrap(elasticache, "_create_user")
    def create(original: Action, p: dict[str, Any]) -> Response:
        passwords = _passwords(p)
        if problem := _password_problem(passwords):
            return problem
        response = original(p)
        if not failed(response):
            user = elasticache._users[elasticache._p(p, "UserId")]
            _set_passwords(user, passwords)
            _take_effect(user, "creating", lambda: caches.apply_user(user))
            return _described("CreateUser", user)
        return response

    # It ignores AppendAccessString, too, and changes a user that is being changed (InvalidUserState).
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyUser.html
    @wrap(elasticache, "_modify_user")
    def modify(original: Action, p: dict[str, Any]) -> Response:
        user = elasticache._users.get(elasticache._p(p, "UserId"))
        passwords = _passwords(p)
        if problem := _password_problem(passwords) or _state_problem(user):
            return problem
        response = original(p)
        if user is not None:
            if addition := elasticache._p(p, "AppendAccessString"):
                user["AccessString"] += f" {addition}"
            if passwords or elasticache._p(p, "NoPasswordRequired").lower() == "true":
                _set_passwords(user, passwords)
            _take_effect(user, "modifying", lambda: caches.apply_user(user))
            return _described("ModifyUser", user)
        return response

    # It leaves a deleted user in its groups.
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DeleteUser.html
    @wrap(elasticache, "_delete_user")
    def delete(original: Action, p: dict[str, Any]) -> Response:
        user = elasticache._users.get(elasticache._p(p, "UserId"))
        if problem := _state_problem(user):
            return problem
        if user is not None:
            affected = _caches_of(user)
            for group in elasticache._user_groups.values():
                group["UserIds"] = [each for each in group["UserIds"] if each != user["UserId"]]
            caches.remove_user(user, affected)
        return original(p)


def _change_groups(caches: Caches) -> None:
    # ministack changes a group that is being changed (InvalidUserGroupState), and by what is no user.
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyUserGroup.html
    @wrap(elasticache, "_modify_user_group")
    def modify(original: Action, p: dict[str, Any]) -> Response:
        group = elasticache._user_groups.get(elasticache._p(p, "UserGroupId"))
        if group is None:
            return original(p)
        if group["Status"] != "active":
            return elasticache._error(  # type: ignore[no-any-return]
                "InvalidUserGroupState", f"User group {group['UserGroupId']} is not in active state.", 400
            )
        if problem := _membership_problem(p, group):
            return problem

        def change() -> None:
            before = _users_of(group)
            affected = {user["UserId"]: _caches_of(user) for user in before}
            original(p)
            after = _users_of(group)
            for user in before:
                if user not in after:
                    caches.remove_user(user, affected[user["UserId"]])
            for user in after:
                caches.apply_user(user)

        _take_effect(group, "modifying", change)
        result = f"<ModifyUserGroupResult>{elasticache._user_group_xml(group)}</ModifyUserGroupResult>"
        return elasticache._xml(200, "ModifyUserGroupResponse", result)  # type: ignore[no-any-return]


def _described(action: str, user: User) -> Response:
    result = f"<{action}Result>{elasticache._user_xml(user)}</{action}Result>"
    return elasticache._xml(200, f"{action}Response", result)  # type: ignore[no-any-return]


def _passwords(p: dict[str, Any]) -> list[str]:
    prefixes = ("Passwords.member", "AuthenticationMode.Passwords.member")
    keys = (f"{prefix}.{number}" for prefix in prefixes for number in range(1, _MOST_PASSWORDS + 2))
    return [password for key in keys if (password := elasticache._p(p, key))]


def _password_problem(passwords: list[str]) -> Response | None:
    if len(passwords) > _MOST_PASSWORDS:
        return _invalid(f"A user can have at most {_MOST_PASSWORDS} passwords.")
    if any(len(password) not in _PASSWORD_LENGTHS for password in passwords):
        return _invalid("Passwords length must be between 16-128 characters.")
    return None


def _invalid(message: str) -> Response:
    return elasticache._error("InvalidParameterValue", message, 400)  # type: ignore[no-any-return]


def _state_problem(user: User | None) -> Response | None:
    if user is None or user["Status"] == "active":
        return None
    return elasticache._error(  # type: ignore[no-any-return]
        "InvalidUserState", f"User {user['UserId']} is not in active state.", 400
    )


def _membership_problem(p: dict[str, Any], group: dict[str, Any]) -> Response | None:
    """Refuse a change of a group as a whole when a part of it is none, as AWS does.

    That ElastiCache refuses to remove who is no member is reported of it (hashicorp/terraform-provider-aws
    49948); its API reference lists the other errors without saying when they come.
    """
    added, removed = (_members(p, f"UserIdsTo{change}") for change in ("Add", "Remove"))
    for user_id in (*added, *removed):
        if user_id not in elasticache._users:
            return elasticache._error("UserNotFound", f"User {user_id} not found.", 404)  # type: ignore[no-any-return]
    for user_id in removed:
        if user_id not in group["UserIds"]:
            return _invalid(f"User {user_id} is not a member of user group {group['UserGroupId']}.")
    if not set(added).isdisjoint(group["UserIds"]):
        message = "Users in a user group need unique user names."
        return elasticache._error("DuplicateUserName", message, 400)  # type: ignore[no-any-return]
    return None


def _members(p: dict[str, Any], name: str) -> list[str]:
    prefix = f"{name}.member."
    return [elasticache._p(p, key) for key in p if key.startswith(prefix)]


def _set_passwords(user: User, passwords: list[str]) -> None:
    user["_passwords"] = passwords
    user["Authentication"] = {
        "Type": "password" if passwords else "no-password", "PasswordCount": len(passwords),
    }  # fmt: skip


def _take_effect(changed: dict[str, Any], status: str, change: Callable[[], None]) -> None:
    """Have a user or a group change after a while."""
    changed["Status"] = status

    def run() -> None:
        minutes = random.lognormvariate(0.6, 0.95)
        time.sleep(min(10.0, minutes) * _A_MINUTE_SECONDS)
        try:
            change()
        finally:
            changed["Status"] = "active"

    spawn_background(run, thread_name=f"{status}-{changed['ARN']}")
