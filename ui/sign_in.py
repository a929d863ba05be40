"""The sign-in page: plain HTML that works without any script."""

from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Muniment</title>
<link rel="icon" href="/assets/mark.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/sign-in.css">
</head>
<body>
<main>
<p class="brand"><img src="/assets/mark.svg" alt="" width="30" height="30">Muniment</p>
<h1>Sign in</h1>
<p class="lead">Answers from your organisation&rsquo;s own documents, each with its source.</p>
{alert}<form method="post" action="/sign-in">
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required maxlength="200"{focus_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="1000"{focus_password}>
<button type="submit">Sign in</button>
</form>
<p class="foot">Questions and answers are kept on your organisation&rsquo;s record.</p>
</main>
</body>
</html>
"""


def sign_in_page(*, name: str = "", alert: str = "") -> str:
    """Return the page, with the name already typed and what went wrong, if anything did."""
    shown = f'<p class="alert" role="alert">{escape(alert)}</p>\n' if alert else ""
    return _PAGE.format(
        alert=shown,
        name=escape(name, quote=True),
        focus_name="" if name else " autofocus",
        focus_password=" autofocus" if name else "",
    )
