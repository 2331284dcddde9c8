"""The simulated WeChat Official Account platform, as its documents and clients describe it.

Marks (B1 …) are those of the platform facts in the adapter's README; what no source says is marked [assumption].
"""

from services.adapter_wechat.simulator.platform import SIMULATOR

__all__ = ["SIMULATOR"]
