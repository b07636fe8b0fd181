"""What lies under an error of docker-py's: the operating system's, or that of TLS (pure)."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine

from domain.errors import OpsError, Refused, TargetError, Unreachable

_SILENT = ("timed out", "timeout")
_CUT = ("connection aborted", "connection broken", "remote end closed", "eof occurred")


def under(error: BaseException) -> tuple[BaseException, ...]:
    """The error and everything it was made of, outermost first.

    docker-py, requests and urllib3 each wrap the one below: as a cause, as a context, as a
    `reason`, or as an argument among words.
    """
    seen: dict[int, BaseException] = {}
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) not in seen:
            seen[id(one)] = one
            waiting.extend(_inside(one))
    return tuple(seen.values())


def general(address: str, error: Exception) -> TargetError:
    """What can happen to any connection: silence, a cut in the middle, something unheard of."""
    causes = under(error)
    told = next((cause for cause in causes if isinstance(cause, TargetError)), None)
    if told is not None:
        return told
    words = _words(causes)
    if any(isinstance(c, TimeoutError) for c in causes) or any(sign in words for sign in _SILENT):
        return Unreachable(
            f"{address} did not answer in time", hint="see whether that host is busy"
        )
    if odd := next((c for c in causes if type(c) is BadStatusLine), None):
        return Refused(
            f"{address}: what listens there does not speak HTTP (`{str(odd)[:60].strip()}`)",
            hint="check the host and port",
        )
    if cut(causes):
        return Unreachable(
            f"{address} ended the connection in the middle",
            hint="try again; Docker there may have been restarted",
        )
    return Unreachable(f"{address}: {_last_words(causes)}", hint="see whether Docker runs there")


def cut(causes: tuple[BaseException, ...]) -> bool:
    """Whether the other side ended a connection that was there."""
    words = _words(causes)
    return any(isinstance(c, ConnectionError) for c in causes) or any(s in words for s in _CUT)


def _words(causes: tuple[BaseException, ...]) -> str:
    return " ".join(str(cause) for cause in causes).lower()


def not_there(address: str, error: OSError) -> TargetError | None:
    """Why no connection to a host and port came about; None if it is none of that."""
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return Unreachable(
                f"{address}: no name server answers", hint="see to the bot's network"
            )
        return Refused(
            f"{address}: there is no host of that name",
            hint="check the name; the bot's machine has to know it, by DNS or /etc/hosts",
        )
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(
            f"{address}: nobody listens on that port", hint="start it there, or check the port"
        )
    if error.errno in _NO_WAY:
        return Unreachable(
            f"{address}: there is no way to that host",
            hint="see whether it is switched on, and the network between",
        )
    return None


def tls(address: str, error: BaseException) -> TargetError | None:
    """Why TLS with the engine failed; None if it is none of that."""
    words = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(address, error)
    if "doesn't match" in words:  # urllib3's own check, where it is asked to make one
        return _misnamed(address, words)
    for sign, (what, hint) in _TLS_SIGNS.items():
        if sign in words:
            return Refused(f"{address} {what}", hint=hint)
    return None


def _inside(error: BaseException) -> Iterator[BaseException]:
    parts = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
    yield from (part for part in parts if isinstance(part, BaseException))


def _distrusted(address: str, error: ssl.SSLCertVerificationError) -> TargetError:
    if error.verify_code in _MISNAMED:
        return _misnamed(address, error.verify_message)
    if error.verify_code in _OUT_OF_TIME:
        return Refused(
            f"{address} shows a certificate that is not valid today ({error.verify_message})",
            hint="renew the engine's certificate, and check both clocks",
        )
    return Refused(
        f"{address} shows a certificate that `tls.ca` did not sign ({error.verify_message})",
        hint="give the certificate authority that signed the engine's certificate as `tls.ca`",
    )


def _misnamed(address: str, words: str) -> TargetError:
    return Refused(
        f"{address} shows a certificate that is for another name ({words})",
        hint="use the name in the certificate as host, or make one with this name in it",
    )


def _last_words(causes: tuple[BaseException, ...]) -> str:
    return next(
        (str(c) for c in reversed(causes) if str(c) and not isinstance(c, OpsError)), "no answer"
    )


_MISNAMED = (62, 63, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_MISMATCH and _IP_ADDRESS_MISMATCH."""
_OUT_OF_TIME = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and _CERT_HAS_EXPIRED."""
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH)
_OURS = "have `tls.cert` signed by the authority that the engine was given as --tlscacert"
_TLS_SIGNS = {
    "CERTIFICATE_REQUIRED": ("wants a certificate from the bot", _OURS),
    "ALERT_BAD_CERTIFICATE": ("does not believe the bot's certificate", _OURS),
    "ALERT_UNKNOWN_CA": ("does not know who signed the bot's certificate", _OURS),
    "ALERT_CERTIFICATE_UNKNOWN": ("does not believe the bot's certificate", _OURS),
    "ALERT_CERTIFICATE_EXPIRED": ("says that the bot's certificate has expired", "renew it"),
    "WRONG_VERSION_NUMBER": (
        "does not speak TLS on that port",
        "start the engine there with --tlsverify; plain connections need `insecure: true`",
    ),
    "Client sent an HTTP request to an HTTPS server": (
        "speaks TLS on that port, and was spoken to in the clear",
        "give `tls` with ca, cert and key instead of `insecure`",
    ),
}
