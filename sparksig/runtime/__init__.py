"""Java, the session of our own jobs, Spark's noise, and what `sparksig doctor` knows."""

from sparksig.runtime.jvm import Java, java, java_home, required_java
from sparksig.runtime.machine import doctor
from sparksig.runtime.sessions import DEFAULTS, forget_log, quiet_queries, session, spark_log
from sparksig.runtime.versions import Fact

__all__ = [
    "DEFAULTS",
    "Fact",
    "Java",
    "doctor",
    "forget_log",
    "java",
    "java_home",
    "quiet_queries",
    "required_java",
    "session",
    "spark_log",
]
