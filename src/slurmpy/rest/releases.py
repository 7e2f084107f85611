"""What the releases say differently around their documents: statuses, and the words of refusals.

Every parser version answers as the release does that it is held to.
"""

from __future__ import annotations

import re

from slurmpy.data_parser import registry

#: a status and the text that comes with it
Refusal = tuple[int, str]


class Release:
    """``statuses``: error number -> HTTP status; ``rejected`` is that of all other numbers of slurm_errno, ``broken``
    that of the parsers' and of everything else."""

    def __init__(
        self,
        *,
        statuses: dict[int, int],
        rejected: int,
        broken: int,
        not_found: Refusal,
        head: Refusal,
        bad_path: Refusal,
        not_acceptable: Refusal,
        patient: bool,
        bad_body: Refusal,
        no_type: Refusal,
        other_type: Refusal,
        addresses: bool,
    ) -> None:
        self.statuses = statuses
        self.rejected = rejected
        self.broken = broken
        self.not_found = not_found
        self.head = head
        self.bad_path = bad_path
        self.not_acceptable = not_acceptable
        self.patient = patient  # whether the connection outlives a request whose answer could be in no wanted type
        self.bad_body = bad_body
        self.no_type = no_type
        self.other_type = other_type
        self.addresses = addresses  # whether messages name a function with the address of what it was called for

    def status(self, number: int) -> int:
        known = self.statuses.get(number)
        if known is not None:
            return known
        return self.rejected if 2000 <= number < 9000 else self.broken


_UNREADABLE = (400, "Unable to parse query.")
_NOWHERE = (
    404,
    "Unable to find requested URL endpoint. Please query the '/openapi/v3' endpoint or visit "
    "'https://slurm.schedmd.com/rest_api.html' for the OpenAPI specification which includes a list of all possible "
    "slurmrestd endpoints.",
)

R24_11 = Release(
    statuses={0: 200, 1007: 511, 2017: 404, 9000: 422},
    rejected=500,
    broken=500,
    not_found=(404, "Unable find requested URL. Please view /openapi/v3 for API reference."),
    head=(411, ""),
    bad_path=(400, "Unable to parse URL path."),
    not_acceptable=(415, "Accept content type is unknown"),
    patient=False,
    bad_body=_UNREADABLE,
    no_type=_UNREADABLE,
    other_type=_UNREADABLE,
    addresses=True,
)
R26_05 = Release(
    statuses={0: 200, 1007: 511, 2017: 404, 9000: 422},
    rejected=422,
    broken=500,
    not_found=_NOWHERE,
    head=_NOWHERE,
    bad_path=(404, "Invalid or unknown URL path"),
    not_acceptable=(415, "HTTP Accept header content type is unknown or unsupported"),
    patient=True,
    bad_body=(400, "Failure during parsing"),
    no_type=(500, "Unspecified error"),
    other_type=(415, "MIME type is unknown to any loaded plugins"),
    addresses=False,
)

_VERSION = re.compile(r"/+\w+/+(v[\d.]+)(?:/|$)")


def of(version: str) -> Release:
    """The release that a parser version is held to."""
    return R26_05 if version >= "v0.0.43" else R24_11


def of_path(path: str) -> Release:
    """By the version that a path names; without one that there is, the release that the suite is."""
    match = _VERSION.match(path)
    return of(match[1]) if match is not None and match[1] in registry.VERSIONS else R24_11
