"""Pages around signing in: plain HTML that works without any script."""

from collections.abc import Sequence
from html import escape

import segno

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{head}
<title>{title} · Muniment</title>
<link rel="icon" href="/assets/mark.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/sign-in.css">
</head>
<body>
<main>
<p class="brand"><img src="/assets/mark.svg" alt="" width="30" height="30">Muniment</p>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{alert}{body}
<p class="foot">{foot}</p>
</main>
</body>
</html>
"""
_ON_RECORD = "Questions and answers are kept on your organisation&rsquo;s record."
_BACK = '<a href="/">Back to Muniment</a>'

_SIGN_IN = """{provider}<form method="post" action="/sign-in">
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required maxlength="200"{focus_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="1000"{focus_password}>
<details{open}>
<summary>I use a second factor</summary>
<label for="code">Code of your app, or a recovery code</label>
<input id="code" name="code" autocomplete="one-time-code" inputmode="numeric" spellcheck="false"
 maxlength="40">
</details>
<button type="submit">Sign in</button>
</form>"""

_PROVIDER = """<p><a class="button" href="/sign-in/provider">Sign in with {name}</a></p>
<p class="or">or with a password of Muniment&rsquo;s own</p>
"""

_SET_UP = """<form method="post" action="/set-up">
<label for="set-up-code">Set-up code</label>
<input id="set-up-code" name="code" autocomplete="off" spellcheck="false" required
 maxlength="200" autofocus>
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required maxlength="64">
<label for="password">Password, at least 12 characters</label>
<input id="password" name="password" type="password" autocomplete="new-password" required
 minlength="12" maxlength="1000">
<button type="submit">Make the first account</button>
</form>"""

_BEGIN = """<form method="post" action="/second-factor">
<input type="hidden" name="step" value="begin">
<label for="password">Your password once more</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="1000" autofocus>
<button type="submit">Go on</button>
</form>"""

_CONFIRM = """<p><img class="qr" src="{picture}" width="200" height="200"
 alt="Picture for your authenticator app"></p>
<p>Or type this into the app: <code>{secret}</code></p>
<form method="post" action="/second-factor">
<input type="hidden" name="step" value="confirm">
<label for="code">The code that the app shows now</label>
<input id="code" name="code" autocomplete="one-time-code" inputmode="numeric" required
 maxlength="40" autofocus>
<button type="submit">Confirm</button>
</form>"""

_REMOVE = """<form method="post" action="/second-factor">
<input type="hidden" name="step" value="remove">
<label for="code">A code of the app, or a recovery code</label>
<input id="code" name="code" autocomplete="one-time-code" required maxlength="40" autofocus>
<button type="submit">Take it off</button>
</form>"""


def sign_in_page(
    *, name: str = "", alert: str = "", provider: str = "", with_code: bool = False
) -> str:
    """Return the page, with the name already typed and what went wrong, if anything did."""
    body = _SIGN_IN.format(
        provider=_PROVIDER.format(name=escape(provider)) if provider else "",
        name=escape(name, quote=True),
        focus_name="" if name else " autofocus",
        focus_password=" autofocus" if name else "",
        open=" open" if with_code else "",
    )
    lead = "Answers from your organisation&rsquo;s own documents, each with its source."
    return _page("Sign in", lead, body, alert=alert)


def set_up_page(*, name: str = "", alert: str = "") -> str:
    """Return the page on which the first account is made."""
    lead = "Nobody has an account here yet. The set-up code stands on the console."
    return _page("Set up", lead, _SET_UP.format(name=escape(name, quote=True)), alert=alert)


def begin_page(*, alert: str = "", needed_for: Sequence[str] = ()) -> str:
    """Return the page that asks for the password before an authenticator is made."""
    roles = f" Your role {escape(' and '.join(needed_for))} waits for it." if needed_for else ""
    lead = f"A code of an authenticator app, asked for beside your password.{roles}"
    return _page("Second factor", lead, _BEGIN, alert=alert, foot=_BACK)


def confirm_page(*, secret: str, address: str) -> str:
    """Return the page with an authenticator's secret, as a picture and in letters."""
    picture = segno.make(address).svg_data_uri(scale=5, border=2, light="#fff")
    shown = " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))
    body = _CONFIRM.format(picture=escape(picture, quote=True), secret=escape(shown))
    lead = "Read this picture with your authenticator app, then type the code it shows."
    return _page("Second factor", lead, body, foot=_BACK)


def recovery_page(codes: Sequence[str]) -> str:
    """Return the page with the codes for the day the authenticator is lost."""
    listed = "\n".join(f"<li><code>{escape(code)}</code></li>" for code in codes)
    lead = "It is set up. Keep these codes apart from it: each signs you in once without the app."
    return _page("Second factor", lead, f'<ul class="codes">\n{listed}\n</ul>', foot=_BACK)


def remove_page(*, alert: str = "") -> str:
    """Return the page on which an authenticator is given up."""
    lead = "A second factor is set up: you are asked for a code beside your password."
    return _page("Second factor", lead, _REMOVE, alert=alert, foot=_BACK)


def removed_page() -> str:
    """Return the page that says that no code is asked for any more."""
    return _page("Second factor", "It is taken off.", "", foot=_BACK)


def welcome_page() -> str:
    """Return the page between the provider and ours.

    A browser that another site has sent here keeps our cookie back until we send it on ourselves.
    """
    head = '\n<meta http-equiv="refresh" content="0; url=/">'
    return _page("Signed in", "One moment.", "", foot=_BACK, head=head)


def leaving_page(address: str) -> str:
    """Return the page between ours and the provider, where its session is to end too.

    It leads there by itself: a form of ours may lead nowhere but back to us.
    """
    place = escape(address, quote=True)
    head = f'\n<meta http-equiv="refresh" content="0; url={place}">'
    body = f'<p><a href="{place}">Sign out there</a></p>'
    lead = "You are signed out here. Your identity provider comes next."
    return _page("Signed out", lead, body, foot=_BACK, head=head)


def _page(
    title: str, lead: str, body: str, *, alert: str = "", foot: str = _ON_RECORD, head: str = ""
) -> str:
    shown = f'<p class="alert" role="alert">{escape(alert)}</p>\n' if alert else ""
    return _PAGE.format(title=title, lead=lead, body=body, alert=shown, foot=foot, head=head)
