"""The topic files, one YAML per topic, and what reads them."""

from __future__ import annotations

from schemas.contract.topic_files import TopicFileError, TopicSpec, load_topics, topic

__all__ = ["TopicFileError", "TopicSpec", "load_topics", "topic"]
