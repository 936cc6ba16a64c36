"""Report of a serving validation, as numbers and sentences."""

from math import isnan

from trainer.settings import Settings


class Check(Settings):
    """One check.

    Attributes:
      name: of the check.
      passed: whether it allows the push.
      words: what was found, a sentence.
      value: the measured number, if it is one.
      limit: what the number was held against; None if there is no limit.
    """

    name: str
    passed: bool
    words: str
    value: float | None = None
    limit: float | None = None


class ValidationReport(Settings):
    """All checks that were made, in their order."""

    checks: list[Check]

    @property
    def blessed(self) -> bool:
        """Whether every check passed; without any there is nothing to bless."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """Why the bundle is refused, or that it is not."""
        return " ".join(check.words for check in self.checks if not check.passed) or "All checks passed."


class Checks:
    """Collects checks."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def add(self, name: str, passed: bool, words: str) -> None:
        """A check without a number."""
        self._checks.append(Check(name=name, passed=passed, words=words))

    def at_most(self, name: str, value: float, limit: float, words: str) -> None:
        """A number that should not exceed ``limit`` (infinity: it is only reported). NaN fails."""
        if limit == float("inf"):
            self._checks.append(Check(name=name, passed=not isnan(value), words=f"{words}: {value:.4g}.", value=value))
        else:
            self._number(name, value <= limit, value, limit, f"{words}: {value:.4g}, at most {limit:.4g} allowed.")

    def at_least(self, name: str, value: float, limit: float, words: str) -> None:
        """A number that should reach ``limit``. NaN fails."""
        # The mean of counts may lie a rounding below the number it should equal.
        self._number(name, value >= limit - 1e-9, value, limit, f"{words}: {value:.4g}, at least {limit:.4g} wanted.")

    def report(self) -> ValidationReport:
        """What was collected."""
        return ValidationReport(checks=self._checks)

    def _number(self, name: str, passed: bool, value: float, limit: float, words: str) -> None:
        self._checks.append(Check(name=name, passed=passed, words=words, value=value, limit=limit))
