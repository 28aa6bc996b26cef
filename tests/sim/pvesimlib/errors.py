# SPDX-License-Identifier: GPL-2.0-or-later
"""The two kinds of death in PVE: die "text\n" and PVE::Exception."""


class PveError(Exception):
    """A plain die. The text carries its own line end, as in Perl."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text


class ApiError(PveError):
    """PVE/Exception.pm: an error with an HTTP code and errors by parameter."""

    def __init__(self, text, code=500, errors=None):
        super().__init__(text)
        self.code = code
        self.errors = errors or {}

    def stringify(self):
        text = self.text if self.code == 500 else f"{self.code} {self.text}"
        if not text.endswith("\n"):
            text += "\n"
        for key, value in self.errors.items():
            text += f"{key}: {value}\n"
        return text


def param_error(errors):
    """raise_param_exc"""
    return ApiError("Parameter verification failed.\n", 400, errors)


def perm_error(what=None):
    """raise_perm_exc"""
    text = "Permission check failed"
    if what:
        text += f" ({what})"
    return ApiError(text + "\n", 403)


def error_text(err):
    """What Perl's $@ would hold for this exception."""
    if isinstance(err, ApiError):
        return err.stringify()
    if isinstance(err, PveError):
        return err.text
    return f"{type(err).__name__}: {err}\n"
