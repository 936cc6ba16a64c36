"""Errors that a user can cause, as opposed to bugs."""


class InputError(ValueError):
    """Data, configuration or arguments that the user has to change.

    The message says what was wrong, where, and what to do. The command line prints it without a
    traceback and exits with 2.
    """


class GateRefused(RuntimeError):
    """A gate (data validation, evaluation, serving validation) said no, and nothing was pushed.

    The message names the gate and its reason. The command line exits with 4.
    """
