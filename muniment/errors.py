"""What can go wrong in the command itself, in sentences for the operator.

MunimentError
  SettingsInvalid
  AlreadyRunning
  PortBusy
  DataFolderUnusable
  ModelServerFailed
  ServiceUnreachable
  ProgramEnded
  InputMissing
  NotAgreed
"""


class MunimentError(Exception):
    """The command cannot go on; the message says what, where and what to do."""


class SettingsInvalid(MunimentError):
    """A setting is unknown, or its value is not one it may have."""


class AlreadyRunning(MunimentError):
    """Another `muniment up` holds the data folder."""


class PortBusy(MunimentError):
    """Something else listens on a port that is needed."""


class DataFolderUnusable(MunimentError):
    """The data folder cannot be written, or its disk is full."""


class ModelServerFailed(MunimentError):
    """The model server could not be installed, started or kept running."""


class ServiceUnreachable(MunimentError):
    """The running service does not answer, or refuses."""


class ProgramEnded(MunimentError):
    """The service or the page ended although nobody asked it to."""


class InputMissing(MunimentError):
    """A file, folder, source or name that was given does not exist."""


class NotAgreed(MunimentError):
    """An act that cannot be undone lacks a second person, or a hold stands against it."""
