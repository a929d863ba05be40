"""What can go wrong while answering.

RagError
├── ModelUnavailable   the model server does not answer, or answers with an error
├── ModelBusy          the model server has no seat free
├── RecordUnavailable  the record cannot be written, so nothing is answered
├── JudgeInvalid       the file of the judge is missing or not of its kind
├── AdaptationInvalid  what was learned from the documents cannot be read
├── NotSignedIn        no session, or one that has ended
├── NotAllowed         signed in, but the role does not admit this
├── NotFound           no such thing, or none this person may know of
├── SignInRefused      wrong name, password or code
├── ProviderRefused    what the identity provider sent proves nobody
├── ProviderUnavailable  the identity provider does not answer
├── TooManyAttempts    wait before the next sign-in
├── SecretUnreadable   what was sealed cannot be opened: another key, or none
├── InvalidPassword    a new password that is too short or too common
├── UnknownAccount     no account of this name
│   └── AccountDisabled  there is one, and it is locked
├── AccountExists      the name is taken
├── DirectoryInvalid   a directory that cannot be read, or does not say whom it means
├── DirectoryStopped   a directory would take access from too many at once
├── Unusable           what was sent cannot be used, though its form is right
├── KeptByHold         a legal hold keeps what was to be deleted
├── RerankerInvalid    a folder that holds no cross-encoder
└── QuestionsInvalid   a file of evaluation questions that cannot be used
"""


class RagError(Exception):
    """Something went wrong while answering; the message says what and what to do."""


class ModelUnavailable(RagError):
    """The model server does not answer, or answers with an error."""


class ModelBusy(RagError):
    """The model server has no seat free."""


class RecordUnavailable(RagError):
    """The record cannot be written, so nothing is answered."""


class AdaptationInvalid(RagError):
    """What was learned from the documents cannot be read back."""


class RerankerInvalid(RagError):
    """A folder that holds no cross-encoder that can be used."""


class JudgeInvalid(RagError):
    """The file of the judge is missing or not of its kind."""


class SecretUnreadable(RagError):
    """What was sealed cannot be opened: the key is gone or another one, or it was altered."""


class NotSignedIn(RagError):
    """No session or token, one that has ended, or one that never was: one sentence for all."""

    def __init__(self) -> None:
        super().__init__("You are not signed in, or your session or token has ended. Sign in.")


class NotAllowed(RagError):
    """Signed in, but the role does not admit this."""


class NotFound(RagError):
    """No such thing, or none that this person may know of."""


class DirectoryInvalid(RagError):
    """A directory that cannot be read, or of which it is not clear whom it means."""


class DirectoryStopped(RagError):
    """A directory would take access from too many people at once."""


class Unusable(RagError):
    """What was sent cannot be used as it is; the message says why."""


class SignInRefused(RagError):
    """Wrong name, password or code: one sentence for all, so that it tells none apart.

    Args:
        reason: What was wrong, for the record.
        attempts: How many attempts in a row have failed, once there is a wait; else 0.
    """

    def __init__(self, reason: str = "wrong name or password", *, attempts: int = 0) -> None:
        super().__init__("Name, password or code is wrong.")
        self.reason = reason
        self.attempts = attempts


class ProviderRefused(RagError):
    """What the identity provider sent proves nobody; the message says why, for operators."""


class ProviderUnavailable(RagError):
    """The identity provider does not answer, or not as it should."""


class TooManyAttempts(RagError):
    """Wait before the next sign-in."""


class InvalidPassword(RagError):
    """A new password that is too short or too common."""


class UnknownAccount(RagError):
    """No account of this name."""


class AccountDisabled(UnknownAccount):
    """An account that a directory or an operator has locked."""


class AccountExists(RagError):
    """The name is taken."""


class KeptByHold(RagError):
    """A legal hold keeps what was to be deleted."""


class QuestionsInvalid(RagError):
    """A file of evaluation questions that cannot be used."""
