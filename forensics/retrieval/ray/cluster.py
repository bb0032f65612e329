"""A Ray cluster for as long as it is needed. Ray itself is the extra `forensics[distributed]`.

The dashboard and the reporting of usage stay off: nothing about an examination leaves the cluster.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from forensics.errors import ForensicsError, IndexError_

LOCAL = "local"
"""Address of a cluster that is started on this machine and ends with the command."""
RETRIES = -1
"""A task whose worker or machine was lost is run again for as long as any machine is left."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@contextmanager
def connected(address: str, kind: type[ForensicsError] = IndexError_) -> Iterator[Any]:
    """The module `ray`, connected.

    Args:
        address: `HOST:PORT` or `ray://HOST:PORT` of a cluster; `auto` for the one that this machine belongs to; `local`
            to start one for as long.
        kind: of the error where there is none.

    Raises:
        ForensicsError: of this kind; Ray is not installed, does not start here, or there is no cluster at this address.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        from ray.data import DataContext
    except ImportError as exc:
        raise kind("Ray is not installed.", hint="Install `forensics[distributed]`.") from exc
    started = not ray.is_initialized()
    if started:
        more = {"include_dashboard": False} if address == LOCAL else {}
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **more)
        except Exception as exc:  # Ray raises a bare one where the programs it begins do not answer in time
            ray.shutdown()
            if address == LOCAL:
                raise kind(
                    f"Ray could not be started on this machine: {exc}",
                    hint="Give the same command again when the machine is less busy, or leave out --ray.",
                ) from exc
            raise kind(
                f"There is no Ray cluster at {address}: {exc}",
                hint="Give HOST:PORT as `ray start --head` printed it, `auto`, or `local` for one on this machine.",
            ) from exc
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def processors(ray: Any) -> list[int]:
    """Processors of each machine that is there now, most first."""
    alive = (node for node in ray.nodes() if node["Alive"])
    return sorted((int(node["Resources"].get("CPU", 0)) for node in alive), reverse=True)


def run(ray: Any, task: Callable[..., Any], calls: list[tuple[Any, ...]], **resources: Any) -> list[Any]:
    """One task a call, results in order. Raises IndexError_ where one could not be finished."""
    remote = ray.remote(**({"num_cpus": 1, "max_retries": RETRIES} | resources))(task)
    try:
        return list(ray.get([remote.remote(*call) for call in calls]))
    except ray.exceptions.RayTaskError as exc:
        raise exc.cause from exc
    except ray.exceptions.RayError as exc:
        raise lost(exc) from exc


def lost(exc: Exception) -> IndexError_:
    """The error for work that the cluster could not finish."""
    line = next((text for text in str(exc).splitlines() if text.strip()), type(exc).__name__)
    return IndexError_(
        f"The Ray cluster could not finish the work: {line}",
        hint="What is finished is kept: give the same command again. Ray's logs on the machines say more.",
    )
