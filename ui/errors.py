"""What can go wrong between the page and the service.

UiError
├── ServiceAway      the service does not answer
├── NotSignedIn      no session, or one that has ended
├── NotAllowed       the person lacks the role or the right
├── NotFound         nothing there that this person may see
└── RequestRefused   the service said no, and why
"""


class UiError(Exception):
    """Base of every error the page shows as a sentence."""


class ServiceAway(UiError):
    """The service does not answer, or answers with something else than agreed."""


class NotSignedIn(UiError):
    """There is no session, or it has ended."""


class NotAllowed(UiError):
    """The person may not do this."""


class NotFound(UiError):
    """There is nothing here that the person may see."""


class RequestRefused(UiError):
    """The service refused the request; the message says why."""
