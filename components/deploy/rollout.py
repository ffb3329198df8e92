"""A published version reaches its servers: canary first, then stable, and back again by itself where it is worse.

    loading    the config loads {stable, new}; every server has both available
    canary     the label points to the new version; recorded photos are answered through it as evaluated
    stable     the label moves; canary stays, as the sign that the trial is not over
    watch      errors and latency through stable against the former version
    done       canary goes; `previous` is the former version, which stays loaded

Each line is one write of models.config, then a reload on all servers, so that a server that starts at any moment serves the
stable version, and a deploy that was killed goes on from what the config says. What fails, fails as a whole: labels go back on all
servers, the new version leaves the config, then the repository.
"""

from collections.abc import Callable, Sequence

from components.common.errors import UserError
from components.common.repository import CANARY, STABLE
from components.common.validation import Recorded
from components.deploy.fleet import Fleet
from components.deploy.labels import Labels, MovedError, State
from components.deploy.lock import LostLockError
from components.deploy.remove import withdraw
from components.deploy.trial import Limits, smoke_test, watch


class RolloutError(UserError):
    """The new version was set back; the stable one is what it was."""


class Rollout:
    """Version `version` of the model whose versions lie in `root`, on its way to the servers of `fleet`.

    Args:
        labels: of the model.
        check: raises where the lock is lost.
        say: is told of each step.
    """

    def __init__(
        self,
        root: str,
        version: int,
        labels: Labels,
        fleet: Fleet,
        requests: Sequence[Recorded],
        *,
        limits: Limits,
        check: Callable[[], None],
        say: Callable[[str], None],
    ):
        self._root, self._version, self._labels, self._fleet = root, version, labels, fleet
        self._requests, self._limits, self._check, self._say = requests, limits, check, say

    def run(self) -> None:
        """Goes from wherever the config says the roll-out is to its end.

        Raises:
            RolloutError: it was set back.
            UserError: someone else moves labels at the same time, then nothing more is done; or, of a version that is stable
                already, a server that cannot be reached.
        """
        state = self._labels.state
        if state.stable == self._version and state.canary is None:
            self._say(f"version {self._version} is stable already")
            self._fleet.apply(self._labels.config(), self._limits.load_s)
            return
        former, previous = (state.previous, None) if state.stable == self._version else (state.stable, state.previous)
        try:
            self._forward(former)
        except (MovedError, LostLockError):
            raise
        except BaseException as error:
            problems = self._set_back(former, previous)
            if not isinstance(error, UserError):
                raise
            raise RolloutError(
                f"version {self._version} was set back, {_words(former)}: {error}"
                + "".join(f"; set it back on this server too, or restart it: {problem}" for problem in problems)
            ) from None

    def _forward(self, former: int | None) -> None:
        version, labels = self._version, self._labels
        if not self._fleet.servers:
            self._move(labels.state.moved(stable=version, previous=former, canary=None))
            self._say(f"stable: version {version}; no servers to tell")
            return
        if labels.state.stable != version:
            self._say(f"loading version {version} on {len(self._fleet.servers)} server(s)")
            self._move(labels.state.moved(stable=former, previous=None, canary=None, load=version))
            self._move(labels.state.moved(canary=version))
            for server in self._fleet.servers:
                smoke_test(server, self._fleet.model, CANARY, version, self._requests, self._limits)
                self._say(f"canary: smoke test {len(self._requests)}/{len(self._requests)} on {server}")
            self._say(f"canary: version {version} passed")
        self._move(labels.state.moved(stable=version, previous=former, canary=version))
        self._say(f"stable: version {version}, watched")
        for server in self._fleet.servers:
            figures = watch(server, self._fleet.model, STABLE, version, former, self._requests, self._limits)
            self._say(f"watch: {figures} on {server}")
        self._move(labels.state.moved(canary=None))

    def _move(self, to: State) -> None:
        self._check()
        self._fleet.apply(self._labels.move(to), self._limits.load_s)

    def _set_back(self, former: int | None, previous: int | None) -> list[str]:
        """Labels first, while both versions are loaded, so that no request is lost; then the version goes."""
        self._check()
        state = self._labels.state
        labelled = state.moved(stable=former, canary=None, previous=None, load=self._version)
        config = self._labels.move(labelled)
        self._fleet.set_back(config, self._limits.load_s)
        problems = self._fleet.set_back(self._labels.move(labelled.moved(previous=previous)), self._limits.load_s)
        if self._version not in self._labels.state.versions:  # a label of the user's points to it
            withdraw(self._root, self._version)
        return problems


def _words(former: int | None) -> str:
    return "none is stable" if former is None else f"version {former} is stable"
