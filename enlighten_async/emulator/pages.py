"""The web pages of a login at the emulator: consent, and the code for those who copy it by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import urlsplit

from enlighten_async.emulator.messages import Response

STYLE = """
:root{color-scheme:light dark;--page:#f3f5f7;--card:#fff;--text:#1b232b;--soft:#566370;--line:#d5dbe1;
--main:#0b6b58;--on-main:#fff;--note:#fff4d6;--on-note:#5b4300}
@media (prefers-color-scheme:dark){:root{--page:#12171c;--card:#1c232a;--text:#e8edf1;--soft:#a3b0bb;
--line:#36414b;--main:#5fcdb2;--on-main:#06231c;--note:#3a3010;--on-note:#ffe3a0}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--page);
color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:27rem;background:var(--card);border:1px solid var(--line);border-radius:12px;
overflow:hidden}
.note{margin:0;padding:.65rem 1.5rem;background:var(--note);color:var(--on-note);font-size:.875rem}
.inner{padding:1.5rem}
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.25;overflow-wrap:anywhere}
p,ul{margin:0 0 1rem}
ul{padding-left:1.25rem}
.soft{color:var(--soft);font-size:.875rem;overflow-wrap:anywhere}
label{display:block;margin-bottom:.25rem;font-weight:600}
select{width:100%;padding:.6rem;margin-bottom:1.25rem;font:inherit;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:8px}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin-bottom:1rem}
button{flex:1 1 9rem;padding:.7rem 1rem;font:inherit;font-weight:600;border-radius:8px;cursor:pointer;
border:1px solid var(--line);background:transparent;color:inherit}
button.main{background:var(--main);border-color:var(--main);color:var(--on-main)}
:focus-visible{outline:3px solid var(--main);outline-offset:2px}
output{display:block;margin:0 0 1rem;padding:.75rem;text-align:center;
font:600 1.75rem/1.2 ui-monospace,monospace;
letter-spacing:.08em;border:1px dashed var(--line);border-radius:8px;overflow-wrap:anywhere;user-select:all}
"""

NOTE = "Emulator for tests: no real account, and no password is asked for."

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><main><p class="note">{note}</p><div class="inner">{content}</div></main></body></html>
"""

HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)

CONSENT = """<h1>Allow {client} to read your solar systems?</h1>
<p>The application will be able to</p>
<ul><li>see your systems, their devices and events</li><li>read what they produce and consume</li></ul>
<p>It cannot change anything, and you can end its access at any time.</p>
<form action="/oauth/authorize" method="get">{hidden}
<label for="user">Owner</label><select id="user" name="user">{users}</select>
<div class="buttons"><button class="main" name="allow" value="1">Allow</button>
<button name="deny" value="1">Do not allow</button></div></form>
<p class="soft">Either way you will go back to {place}.</p>"""

CODE = """<h1>Your authorization code</h1>
<p>Copy it into the application that asked for it. It holds for five minutes, for one login.</p>
<output>{code}</output>
<p class="soft">Give it to nobody else. You can close this page then.</p>"""

REFUSED = """<h1>Access was not allowed</h1>
<p>The application has got no code ({error}). You can close this page.</p>"""


def _page(title: str, content: str) -> Response:
    body = PAGE.format(title=title, style=STYLE, note=NOTE, content=content)
    return Response(headers=HEADERS, body=body.encode())


def consent_page(
    client: str, redirect_uri: str, kept: Mapping[str, str], users: Iterable[tuple[str, str]], chosen: str
) -> Response:
    """Return the page on which an owner consents.

    Args:
        client: id of the application.
        redirect_uri: where the owner is led then.
        kept: parameters of the request that are sent on.
        users: ids and names of the owners.
        chosen: id of the owner who is chosen at first.
    """
    fields = (f'<input type="hidden" name="{escape(name)}" value="{escape(kept[name])}">' for name in kept)
    options = (
        f'<option value="{escape(user)}"{" selected" if user == chosen else ""}>{escape(name)}</option>'
        for user, name in users
    )
    content = CONSENT.format(
        client=escape(client),
        hidden="".join(fields),
        users="".join(options),
        place=escape(urlsplit(redirect_uri).netloc or redirect_uri),
    )
    return _page("Allow access?", content)


def code_page(code: str) -> Response:
    """Return the page that shows an owner a code to copy."""
    return _page("Authorization code", CODE.format(code=escape(code)))


def refused_page(error: str) -> Response:
    """Return the page that tells an owner that no code was given."""
    return _page("Access was not allowed", REFUSED.format(error=escape(error)))
