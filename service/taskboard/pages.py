"""HTML pages that run no script but their own."""

import base64
import hashlib
import re

from fastapi.responses import HTMLResponse

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def page_response(html: str) -> HTMLResponse:
    """Return a page with the content security policy that allows exactly what is written in it.

    Scripts and styles in the page are allowed by their hashes, files of this site by their origin.
    """
    sources = {"script": ["'self'"], "style": ["'self'"]}
    for kind, content in _INLINE.findall(html):
        digest = hashlib.sha256(content.encode()).digest()
        sources[kind].append(f"'sha256-{base64.b64encode(digest).decode()}'")
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(sources["script"]),
        "style-src": " ".join(sources["style"]),
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    text = "; ".join(f"{name} {value}" for name, value in policy.items())
    return HTMLResponse(html, headers={"content-security-policy": text, "cache-control": "no-cache"})
