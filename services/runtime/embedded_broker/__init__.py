"""The real Apache Kafka broker on this machine, without Docker and without an installed Java.

For development, tests and demonstrations: one node, no replication, no access control, loopback only.
"""

from services.runtime.embedded_broker.broker import BrokerFailed, EmbeddedBroker
from services.runtime.embedded_broker.jars import JarsUnavailable, fetch_jars

__all__ = ["BrokerFailed", "EmbeddedBroker", "JarsUnavailable", "fetch_jars"]
