"""How far Spark is, while the main thread waits for it; and how its jobs are stopped before their output is removed.

On classic Spark the status tracker knows the tasks. Spark Connect has none: nothing is told there. None of this can
break a run: whatever goes wrong here is passed over.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from sparksig.report.live import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_EVERY = 0.5  # seconds between two questions
_PATIENCE = 15.0  # seconds that cancelled tasks get to end
_PROPERTIES = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")


@contextmanager
def timed(name: str, seconds: dict[str, float], progress: Progress) -> Iterator[None]:
    """Time a phase, unless it tells its time itself, and tell of it."""
    with suppress(Exception):
        progress.begin(name)
    start, well = time.monotonic(), False
    try:
        yield
        well = True
    finally:
        took = seconds.setdefault(name, time.monotonic() - start)
        with suppress(Exception):
            progress.end(name, took, well)


@dataclass(frozen=True, slots=True)
class JobGroup:
    """The Spark jobs of one phase.

    Attributes:
        context: the SparkContext.
        name: the group's name.
    """

    context: Any
    name: str

    def stages(self) -> Iterator[tuple[bool, Any]]:
        """Each stage of the group's jobs, and whether its job is still running."""
        tracker = self.context.statusTracker()
        for job in tracker.getJobIdsForGroup(self.name):
            if (info := tracker.getJobInfo(job)) is not None:
                for stage in info.stageIds:
                    if (found := tracker.getStageInfo(stage)) is not None:
                        yield info.status == "RUNNING", found

    def tasks(self) -> tuple[int, int]:
        """How many tasks are done, of how many that are known; what an ended job has skipped does not count."""
        done = total = 0
        for running, stage in self.stages():
            done += stage.numCompletedTasks
            total += stage.numTasks if running else stage.numCompletedTasks
        return done, total

    def stop(self) -> None:
        """Cancel the jobs and wait until their tasks have ended: one that has not may still write a file."""
        self.context.cancelJobGroup(self.name)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and any(stage.numActiveTasks for _, stage in self.stages()):
            time.sleep(0.1)


@contextmanager
def watched(spark: SparkSession, phase: str, progress: Progress) -> Iterator[None]:
    """Tell how far the Spark jobs are that run meanwhile, and leave none of them behind.

    Args:
        spark: the session.
        phase: what the jobs are called in Spark's own pages.
        progress: is told the number of tasks, from another thread.
    """
    group, before = _enter(spark, phase)
    if group is None:
        yield
        return
    over = Event()
    watcher = Thread(target=_watch, args=(group, progress, over), name="sparksig-progress", daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:
        stopper = Thread(target=_stop, args=(group,), daemon=True)  # the JVM may be gone, and the call never return
        stopper.start()
        stopper.join(_PATIENCE + 5)
        raise
    finally:
        over.set()
        watcher.join(0.2)
        with suppress(Exception):
            for key, value in before.items():
                group.context.setLocalProperty(key, value)


def _enter(spark: SparkSession, phase: str) -> tuple[JobGroup | None, dict[str, str | None]]:
    """A new group for the jobs of this thread, and what was set before."""
    try:
        context = spark.sparkContext
        before = {key: context.getLocalProperty(key) for key in _PROPERTIES}
        group = JobGroup(context, f"sparksig-{secrets.token_hex(6)}")
        context.setJobGroup(group.name, phase, interruptOnCancel=True)
    except Exception:  # Connect has no context, and says so in as many ways as it has versions
        return None, {}
    return group, before


def _watch(group: JobGroup, progress: Progress, over: Event) -> None:
    with suppress(Exception):
        while not over.wait(_EVERY):
            done, total = group.tasks()
            if total and not over.is_set():
                progress.tasks(done, total)


def _stop(group: JobGroup) -> None:
    with suppress(Exception):
        group.stop()
