"""Run a program with a parent-death signal: `… <parent> <signal> <user> <command>…`.

The kernel sends the signal when the parent ends. Where a user is named, root becomes that user first. It
runs isolated, without the project's modules, because every task's start waits for it.
"""

import ctypes
import os
import pwd
import sys

# <linux/prctl.h>, <linux/securebits.h>, <linux/capability.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION = 0x20080522


def _become(parent: int, signal: int, user: str, command: list[str]) -> None:
    try:
        if user:
            _leave_root(user)
        if sys.platform == "linux":  # after the change of user, which cancels it
            _check(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0))
            if os.getppid() != parent:
                sys.exit("the process that started this one is gone")
        os.execvp(command[0], command)  # noqa: S606 - what to run is the caller's business
    except OSError as error:
        sys.exit(f"cannot run {command[0]}{f' as {user}' if user else ''}: {error.strerror}")


def _leave_root(user: str) -> None:
    """Become another user who still enters every folder: the checkout may lie below one that is root's alone.

    Securebit NO_SETUID_FIXUP keeps the capability over the change of user, and has access(2), with which
    PostgreSQL looks for its files, count it ("capabilities" and "access" in the Linux manual pages).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        _check(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    number = pwd.getpwnam(user).pw_uid
    os.setgroups([])
    os.setreuid(number, number)
    if sys.platform == "linux":
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
        only = 1 << _CAP_DAC_OVERRIDE
        _check(libc.capset(header, (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)))
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
