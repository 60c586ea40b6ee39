"""What can go wrong between us and a hub, each as one line that says what to do.

The messages are ours from end to end. huggingface_hub's own quote the address that was called, and
`HF_ENDPOINT` may carry a user and a password; whatever is quoted here goes through `redact`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from mlxbench.errors import CheckpointError, DoesNotFitError, HubError, InputError, MlxbenchError
from mlxbench.redact import redact

RUN_AGAIN = "run the same command again: files that arrived are kept"
USE_TOKEN = "accept its terms on its page if it asks, and set HF_TOKEN to a token that may read it"
UNAUTHORISED = (401, 403)
OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def hub_errors_translated(repository: str, revision: str | None) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into one of ours, the original chain cut off."""
    from huggingface_hub.errors import HfHubHTTPError

    # The base of the HTTP client's errors: huggingface_hub 1 brings httpx, 2 brings httpx2.
    client_error: type[Exception] = HfHubHTTPError.__bases__[0]
    try:
        yield
    # The xet downloader raises plain RuntimeErrors; a reply that is no JSON is a ValueError.
    except (client_error, OSError, RuntimeError, ValueError) as error:
        # `from None`: a traceback would show the address again, unredacted.
        raise translate(error, repository, revision) from None


def translate(error: BaseException, repository: str, revision: str | None) -> MlxbenchError:
    """Our error for one of huggingface_hub's."""
    from huggingface_hub import errors

    shown = redact(f"{repository}@{revision}" if revision else repository)
    hub = _host()
    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        return translate(error.__cause__, repository, revision)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return not_cached(repository, revision)
    if isinstance(error, errors.HFValidationError):
        return InputError(f"{shown!r} is no repository name", "write hf:owner/repository")
    if isinstance(error, errors.GatedRepoError):
        return HubError(f"{shown} is gated and {hub} refuses access", USE_TOKEN)
    if isinstance(error, errors.RepositoryNotFoundError):
        return CheckpointError(
            f"{hub} has no repository {repository!r} that it would show to you",
            "check its spelling; if it is private, set HF_TOKEN",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return CheckpointError(
            f"{repository} has no revision {redact(str(revision))!r}",
            "give a branch, tag or commit that its page lists",
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _from_status(error.response.status_code, shown, hub)
    return _from_system(error, shown, hub)


def not_cached(repository: str, revision: str | None) -> HubError:
    """The network is switched off and the cache does not have it."""
    shown = f"{repository}@{revision}" if revision else repository
    return HubError(
        f"{shown} is not in the cache and HF_HUB_OFFLINE forbids downloading it",
        "unset HF_HUB_OFFLINE and run `mlxbench models pull` once, or measure random weights of "
        "its shape with --synthetic",
    )


def _from_status(status: int, shown: str, hub: str) -> HubError:
    if status in UNAUTHORISED:
        return HubError(f"{hub} refuses access to {shown} (status {status})", USE_TOKEN)
    return HubError(f"{hub} answered {shown} with status {status}", RUN_AGAIN)


def _from_system(error: BaseException, shown: str, hub: str) -> MlxbenchError:
    number = error.errno if isinstance(error, OSError) else None
    if number in OUT_OF_SPACE:
        return DoesNotFitError(
            f"the disk is full: {shown} did not fit into the Hugging Face cache",
            "free space or set HF_HOME to a larger disk, then " + RUN_AGAIN,
        )
    if number is not None and isinstance(error, OSError) and error.filename is not None:
        return HubError(
            f"cannot write {error.filename} ({error.strerror})",
            "check its permissions, or set HF_HOME to a directory of your own",
        )
    if isinstance(error, ValueError):
        return HubError(f"{hub} does not answer as a Hugging Face hub", "check HF_ENDPOINT")
    kind = type(error).__name__
    return HubError(f"the connection to {hub} failed while fetching {shown} ({kind})", RUN_AGAIN)


def _host() -> str:
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).netloc.rpartition("@")[2] or redact(constants.ENDPOINT)
