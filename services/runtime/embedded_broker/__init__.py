"""The real Apache Kafka broker on this machine, without Docker and without an installed Java.

For development, tests and demonstrations, loopback only: usually one node without replication and access control;
tests also start a cluster of three and a node that wants TLS and a password.
"""

from services.runtime.embedded_broker.broker import BrokerFailed, EmbeddedBroker
from services.runtime.embedded_broker.cluster import EmbeddedCluster
from services.runtime.embedded_broker.jars import JarsUnavailable, fetch_jars
from services.runtime.embedded_broker.layout import Access

__all__ = ["Access", "BrokerFailed", "EmbeddedBroker", "EmbeddedCluster", "JarsUnavailable", "fetch_jars"]
